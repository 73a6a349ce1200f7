"""Guards that did not load: what they should check is refused while they are enabled."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from bot.cli.main import run
from bot.domain.answers import Done
from bot.domain.errors import PluginError
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.domain.training import TrainingExample
from bot.hooks import registry
from bot.hooks.calling.unloaded import unloaded
from bot.hooks.health import GUARD_HOOKS
from bot.hooks.methods.questions import UNCHECKED
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee

    MakeMentee = Callable[..., Mentee]
    Install = Callable[..., None]

ASKED = Question("Are hotels tax exempt?", Person("user:ada"), department="travel")
GUARD = "from bot import hookimpl\nimport not_there\n\n\n@hookimpl\ndef check_answer(draft):\n    return None\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a plugin `broken` with these files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(files: dict[str, str], module: str = "broken_guard") -> None:
        for name, source in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        for name in [each for each in sys.modules if each.split(".")[0] == "broken_guard"]:
            del sys.modules[name]  # an earlier test's, whose import went well
        point = EntryPoint("broken", module, "mentee")
        monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [point])

    return install


def refused(mentee: Mentee, department: str) -> bool:
    refusal = mentee.plugins.check_answer(ASKED, "In 12 states.", [], None, "curated", department)
    assert refusal is None or (refusal.guard, refusal.failed) == ("broken", True)
    return refusal is not None


async def test_an_answer_is_refused_until_the_guard_is_disabled(make_mentee: MakeMentee, install: Install) -> None:
    install({"broken_guard.py": GUARD})
    mentee = make_mentee(discover=True)
    events = [event async for event in mentee.pipeline.answer(ASKED)]
    assert isinstance(events[-1], Done)
    assert events[-1].answer.text == UNCHECKED
    assert "did not load: ModuleNotFoundError" in mentee.plugins.states.problem("broken")
    assert mentee.plugins.is_guard("broken")
    mentee.plugins.states.switch("broken", "travel", enabled=False, actor="ada")
    assert (refused(mentee, "travel"), refused(mentee, "it")) == (False, True)


SOURCES = {
    "a syntax error": {"broken_guard.py": "def check_answer(draft:\n"},
    "an exit": {"broken_guard.py": "raise SystemExit(1)\nasync def check_answer(draft):\n    return None\n"},
    "a package": {"broken_guard/__init__.py": "from .guards import *\n", "broken_guard/guards.py": GUARD},
    "a wrong hook": {"broken_guard.py": GUARD.replace("import not_there", "@hookimpl\ndef check_answre(): ...")},
    "a wrong parameter": {"broken_guard.py": GUARD.replace("import not_there\n", "").replace("draft", "text")},
}


@pytest.mark.parametrize("files", SOURCES.values(), ids=SOURCES.keys())
def test_whatever_keeps_a_guard_from_loading_closes(
    make_mentee: MakeMentee, install: Install, files: dict[str, str]
) -> None:
    install(files)
    assert refused(make_mentee(discover=True), "travel")


def test_a_guard_whose_import_hangs_closes(
    make_mentee: MakeMentee, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 0.3)
    install({"hanging_guard.py": GUARD.replace("import not_there", "import time\ntime.sleep(20)")}, "hanging_guard")
    assert refused(make_mentee(discover=True), "travel")


def test_a_guard_to_opt_in_to_closes_only_where_it_is_enabled(make_mentee: MakeMentee, install: Install) -> None:
    install({"broken_guard.py": f"OPT_IN = True\n{GUARD}"})
    mentee = make_mentee(discover=True)
    assert not refused(mentee, "travel")
    mentee.plugins.states.switch("broken", "travel", enabled=True, actor="ada")
    assert (refused(mentee, "travel"), refused(mentee, "it")) == (True, False)


def test_a_scrubber_and_a_filter_that_did_not_load_keep_texts_out_of_rounds(
    make_mentee: MakeMentee, install: Install
) -> None:
    source = "import not_there\ndef scrub_text(text): ...\ndef filter_training_example(example): ...\n"
    install({"broken_guard.py": source})
    mentee = make_mentee(discover=True)
    with pytest.raises(PluginError, match="'broken' failed in scrub_text: it did not load"):
        mentee.plugins.scrub_text("hi", "it")
    assert not mentee.plugins.filter_training_example(TrainingExample("x1", "it", "up", "?", (), "Yes."), "it")
    assert not refused(mentee, "it")


def test_a_plugin_without_guards_that_did_not_load_refuses_nothing(make_mentee: MakeMentee, install: Install) -> None:
    install({"broken_guard.py": "import not_there\ndef extend_prompt(): ...\n"})
    mentee = make_mentee(discover=True)
    assert mentee.plugins.loaded["broken"].error
    assert not refused(mentee, "travel")


def test_a_guard_that_is_loaded_under_another_name_refuses_nothing(make_mentee: MakeMentee) -> None:
    guard = make_plugin(check_answer=lambda: None)
    mentee = make_mentee({"first": guard, "again": guard})
    assert "same module" in mentee.plugins.loaded["again"].error
    assert not refused(mentee, "travel")


def test_operators_see_it(
    make_mentee: MakeMentee, install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    install({"broken_guard.py": GUARD})
    make_mentee(discover=True)
    assert run(["doctor", "--json"]) == 1
    checks = {each["check"]: each["detail"] for each in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert "broken did not load: ModuleNotFoundError" in checks["plugins"]
    assert "what it should check is refused while it is enabled" in checks["plugins"]
    assert run(["plugins", "show", "broken"]) == 0
    shown = capsys.readouterr().out
    assert "Hooks: check_answer" in shown
    assert "what it should check is refused" in shown
    assert run(["plugins", "disable", "broken"]) == 0
    assert "Answers in" in capsys.readouterr().out


def test_a_source_is_searched_without_importing_it(install: Install) -> None:
    files = {"around/__init__.py": "raise SystemExit", "around/guards/secret.py": GUARD, "around/web.py": "\n"}
    install({**files, "spaced/one.py": GUARD, "spaced/two.py": "\n"})
    found = {
        module: unloaded(module, GUARD_HOOKS).guards
        for module in ("around.web", "around.guards.secret", "spaced.one", "spaced.two", "not_there.at_all", "")
    }
    assert [module for module, guards in found.items() if guards == ("check_answer",)] == [
        "around.web",
        "around.guards.secret",
        "spaced.one",
    ]
    assert found["spaced.two"] == found["not_there.at_all"] == found[""] == ()
