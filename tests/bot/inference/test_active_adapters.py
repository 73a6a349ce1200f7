"""A champion whose files are missing or damaged: the one before it answers, everybody is told, and it comes back."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import httpx2
import pytest

from bot.cli.main import run
from bot.domain.identifiers import now
from bot.inference.adapter_files import WEIGHTS
from bot.storage.artifacts import writing
from bot.storage.tables.training import AdapterRow
from bot.testing.notes import NotesRetriever, make_plugin
from bot.testing.questions import ask
from tests.tuning.rounds.adapters import make_adapter
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome
    from bot.testing.serving import ServeHome

SETTINGS = {"model": {"name": "tiny", "engine": "openai"}}


@pytest.fixture
def mentee(make_home: MakeHome, scripted_engine: ScriptedEngine) -> Mentee:
    """A department with two champions, one after the other."""
    notes = make_plugin(
        register_retriever=lambda: NotesRetriever({"support": [("trips.md", "Trips", "Cancel a trip on its page.")]})
    )
    mentee = make_home(
        departments=("support",), settings=SETTINGS, engine=scripted_engine, extra_plugins={"notes": notes}
    )
    promoted(mentee, "one")
    promoted(mentee, "two")
    return mentee


def promoted(mentee: Mentee, name: str) -> None:
    make_adapter(mentee.settings.home / name)
    registry = services.registry(mentee)
    registry.promote("support", registry.publish(mentee.settings.home / name, "support"), actor="test")


def folder(mentee: Mentee, version: str) -> Path:
    return mentee.settings.artifacts_dir / "adapters" / version


def answering(mentee: Mentee) -> str | None:
    mentee.active_adapters.forget()
    champion = mentee.active_adapters.get("support")
    return champion.version if champion else None


def lose(path: Path) -> None:
    shutil.rmtree(path)


def cut_off(path: Path) -> None:
    (path / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes()[:-1])


def of_another_base(path: Path) -> None:
    shutil.rmtree(path)
    with writing(path, "adapter") as draft:
        for name in (WEIGHTS, "adapter_config.json"):
            (draft.path / name).write_text("{}")
        draft.meta |= {"base_model": "another"}


@pytest.mark.parametrize("damage", [lose, cut_off, of_another_base])
def test_the_champion_before_it_answers_until_its_files_are_back(
    mentee: Mentee, damage: Callable[[Path], None]
) -> None:
    champion, copy = folder(mentee, "support-2"), mentee.settings.home / "copy"
    assert (answering(mentee), mentee.active_adapters.problems()) == ("support-2", {})
    shutil.copytree(champion, copy)
    damage(champion)
    assert answering(mentee) == "support-1"
    problem = mentee.active_adapters.problems()["support"]
    assert problem.startswith("Champion support-2 can't be used: ")
    assert problem.endswith(" support-1 answers instead.")
    shutil.rmtree(champion, ignore_errors=True)
    shutil.copytree(copy, champion)
    assert (answering(mentee), mentee.active_adapters.problems()) == ("support-2", {})


def test_with_no_sound_adapter_the_base_model_answers(mentee: Mentee) -> None:
    for version in ("support-1", "support-2"):
        lose(folder(mentee, version))
    assert answering(mentee) is None
    assert mentee.active_adapters.problems()["support"].endswith(" The base model answers instead.")


def test_an_adapter_that_learned_from_erased_data_is_not_brought_back(mentee: Mentee) -> None:
    with mentee.store.write() as session:
        session.get_one(AdapterRow, "support-1").stale_since = now()
    cut_off(folder(mentee, "support-2"))
    assert answering(mentee) is None


async def test_questions_are_answered_with_the_champion_before_it(
    mentee: Mentee, scripted_engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off(folder(mentee, "support-2"))
    await ask(mentee, "How do I cancel a trip?", department="support")
    used = [request.adapter and request.adapter.version for request in scripted_engine.requests]
    assert used == ["support-1"]
    assert "champion_unusable" in capsys.readouterr().out


def test_doctor_names_it(mentee: Mentee, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(folder(mentee, "support-2"))
    run(["doctor", "--json"])
    checks = {row["check"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert not checks["adapters"]["ok"]
    assert "support: Champion support-2 can't be used" in checks["adapters"]["detail"]


def test_a_server_stays_ready_and_warns(mentee: Mentee, serve_home: ServeHome) -> None:
    cut_off(folder(mentee, "support-2"))
    home = serve_home(mentee)
    found = httpx2.get(f"{home.url}/readyz")
    assert found.status_code == 200
    assert found.json()["warnings"] == ["1 champion adapter can't be used. Run `mentee doctor` for details."]
