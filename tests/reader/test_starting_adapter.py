"""The reader becomes the first champion of every department on its base model, and of no other."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mentee_reader
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ArtifactError, SettingsError
from bot.hooks.registry import BUILT_IN
from bot.storage.artifacts import verify, writing

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome

BASE = "smollm2-135m-instruct"
SHIPPED = mentee_reader.ADAPTER


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter of one number in the place of the shipped one."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    facts = {"base_model": BASE, "answers": {"passages_at_once": 1, "known_threshold": 0.25}}
    with writing(tmp_path / "adapter", "adapter") as draft:
        weights = len(header).to_bytes(8, "little") + header + bytes(4)
        (draft.path / "adapter_model.safetensors").write_bytes(weights)
        (draft.path / "adapter_config.json").write_text("{}")
        (draft.path / "card.json").write_text(json.dumps(facts))
        draft.meta |= facts
    monkeypatch.setattr(mentee_reader, "ADAPTER", tmp_path / "adapter")
    return tmp_path / "adapter"


def home_with_reader(make_home: MakeHome, **model: Any) -> Mentee:
    mentee = make_home(settings={"model": {"name": BASE, **model}}, extra_plugins={"reader": mentee_reader})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    return mentee


@pytest.mark.usefixtures("adapter")
def test_a_new_department_starts_with_the_reader_and_can_go_back_to_the_base(make_home: MakeHome) -> None:
    mentee = home_with_reader(make_home)
    champion = mentee.active_adapters.get("travel")
    assert champion is not None
    assert (champion.version, champion.starter) == ("travel-1", True)
    answers = mentee.departments.get("travel").answers
    assert (answers.passages_at_once, answers.known_threshold) == (1, 0.25), "it reads as it was taught"
    assert mentee.adapter_registry.rollback("travel", actor="test") is None
    assert mentee.active_adapters.get("travel") is None


@pytest.mark.usefixtures("adapter")
def test_without_passages_the_reader_stays_silent(make_home: MakeHome) -> None:
    assert home_with_reader(make_home).active_adapters.get("travel", reading=False) is None


@pytest.mark.usefixtures("adapter")
@pytest.mark.parametrize("model", [{"name": "another-model"}, {"engine": "openai"}])
def test_another_base_model_starts_without_an_adapter(make_home: MakeHome, model: dict[str, str]) -> None:
    assert home_with_reader(make_home, **model).active_adapters.get("travel") is None


def test_an_altered_reader_is_refused_and_the_department_starts_without_it(make_home: MakeHome, adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text('{"r": 1}')
    mentee = home_with_reader(make_home)
    assert mentee.active_adapters.get("travel") is None
    with pytest.raises(ArtifactError, match=r"adapter_config\.json"):
        mentee_reader.start_department(mentee, "travel")


def test_while_the_reader_is_being_made_departments_start_without_it(make_home: MakeHome, adapter: Path) -> None:
    mentee_reader.ADAPTER = adapter / "nowhere"
    mentee = home_with_reader(make_home)
    mentee_reader.start_department(mentee, "travel")
    assert mentee.active_adapters.get("travel") is None


@pytest.mark.usefixtures("adapter")
def test_without_a_registry_it_says_which_plugin_is_missing(make_home: MakeHome) -> None:
    without = tuple(name for name in BUILT_IN if name != "tuning.plugin")
    mentee = make_home(departments=("travel",), settings={"model": {"name": BASE}}, built_in=without)
    with pytest.raises(SettingsError, match="registry of adapters"):
        mentee_reader.start_department(mentee, "travel")


def test_the_shipped_adapter_is_whole_and_its_card_says_what_its_manifest_says() -> None:
    meta = verify(SHIPPED, "adapter").meta
    card = json.loads((SHIPPED / "card.json").read_text(encoding="utf-8"))
    assert (card["base_model"], card["answers"]) == (meta["base_model"], meta["answers"])


def test_it_is_a_plugin_like_any_other() -> None:
    folder = Path(mentee_reader.__file__).parents[1]
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["mentee"] == {"reader": "mentee_reader"}
    tree = ast.parse(Path(mentee_reader.__file__).read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in modules if name.startswith("bot")} == {"bot"}, "it uses what any plugin may use"
