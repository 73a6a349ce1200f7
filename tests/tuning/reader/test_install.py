"""A reader that is shipped becomes the first champion of every department on its base model, and of no other."""

import json

import pytest

from bot.artifacts import writing
from bot.errors import ArtifactError
from bot.messages import DepartmentSpec
from tuning.reader import install
from tuning.registry import Registry

BASE = "smollm2-135m-instruct"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A reader of one number, in the place of the shipped one."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    with writing(tmp_path / "adapter", "adapter") as draft:
        weights = len(header).to_bytes(8, "little") + header + bytes(4)
        (draft.path / "adapter_model.safetensors").write_bytes(weights)
        (draft.path / "adapter_config.json").write_text("{}")
        draft.meta |= {"base_model": BASE, "answers": {"passages_at_once": 1, "known_threshold": 0.25}}
    monkeypatch.setattr(install, "ADAPTER", tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.usefixtures("shipped")
def test_a_new_department_starts_with_the_reader_and_can_go_back_to_the_base(make_home):
    mentee = make_home(settings={"model": {"name": BASE}})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    champion = mentee.champions.get("travel")
    assert (champion.version, champion.starter) == ("travel-1", True)
    answers = mentee.departments.get("travel").answers
    assert (answers.passages_at_once, answers.known_threshold) == (1, 0.25), "read as it was taught"
    assert Registry(mentee).rollback("travel", actor="test") is None
    assert mentee.champions.get("travel") is None


@pytest.mark.usefixtures("shipped")
def test_without_passages_the_reader_stays_silent(make_home):
    mentee = make_home(settings={"model": {"name": BASE}})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    assert mentee.champions.get("travel", reading=False) is None


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("model", [{"name": "another-model"}, {"name": BASE, "engine": "openai"}])
def test_another_base_model_starts_without_an_adapter(make_home, model):
    mentee = make_home(departments=("travel",), settings={"model": model})
    assert install.install_reader(mentee, "travel") is None
    assert mentee.champions.get("travel") is None


def test_an_altered_reader_is_refused_and_a_missing_one_is_no_error(make_home, shipped):
    mentee = make_home(departments=("travel",), settings={"model": {"name": BASE}})
    (shipped / "adapter_config.json").write_text('{"r": 1}')
    with pytest.raises(ArtifactError, match=r"adapter_config\.json"):
        install.install_reader(mentee, "travel")
    install.ADAPTER = shipped / "nowhere"
    assert install.install_reader(mentee, "travel") is None
    assert mentee.champions.get("travel") is None
