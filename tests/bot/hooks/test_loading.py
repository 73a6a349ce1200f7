"""Loading plugins: an author's mistake is named with its place, and what is no mistake is left alone."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Protocol

import pytest
from structlog.testing import capture_logs

from bot.cli.main import run
from bot.hooks import specs
from bot.hooks.registry import LoadedPlugin, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome

    class Load(Protocol):
        def __call__(self, source: str, *, module: str = ...) -> LoadedPlugin: ...


POINTS = "bot.hooks.registry.entry_points"
MARK = "from bot import hookimpl\n\n@hookimpl\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a plugin from the text of its module, as if it were installed."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(source: str, *, module: str = "tickets") -> LoadedPlugin:
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setattr(POINTS, lambda **_: [EntryPoint(module, module, "mentee")])
        return Registry(specs, ()).loaded[module]

    return load


def test_a_misspelt_hook_is_refused_with_the_right_name_and_its_place(load: Load) -> None:
    found = load(f"{MARK}def enrich_questoin(question): ...")
    assert found.error == "there is no hook 'enrich_questoin'. Did you mean 'enrich_question'? (tickets.py, line 3)"
    assert not found.traceback


def test_parameters_that_a_hook_does_not_have_are_named_with_those_it_has(load: Load) -> None:
    found = load(f"{MARK}def extend_prompt(query, department): ...", module="wrong_parameter")
    assert "the hook 'extend_prompt' has no parameter 'query'" in found.error
    assert "It has question, department, settings, context." in found.error
    assert "(wrong_parameter.py, line 3)" in found.error
    assert "hookimpl" not in found.error


def test_a_parameter_that_mentee_never_fills_is_refused(load: Load) -> None:
    found = load(f"{MARK}def extend_prompt(question, tone=None): ...", module="wrong_default")
    assert "the hook 'extend_prompt' has no parameter 'tone'" in found.error
    found = load(f"{MARK}def extend_prompt(question, *, settings): ...", module="by_keyword")
    assert "takes 'settings' by keyword only" in found.error
    assert "Remove the * before it. (by_keyword.py, line 3)" in found.error


def test_a_hook_that_is_not_marked_is_a_warning(load: Load) -> None:
    found = load(f"{MARK}def extend_prompt(): ...\n\ndef check_answer(draft): ...", module="unmarked")
    assert found.called
    assert found.warning == (
        "check_answer isn't marked as a hook, so it is never called: mark it with bot.hookimpl (unmarked.py, line 6)"
    )


def test_a_hook_with_another_projects_mark_is_a_warning(load: Load) -> None:
    mark = "import pluggy\n\nhookimpl = pluggy.HookimplMarker('tox')\n\n@hookimpl\n"
    found = load(f"{mark}def extend_prompt(): ...", module="foreign")
    assert "extend_prompt is marked as a hook of tox, not of Mentee" in found.warning
    assert found.warning.endswith("it has no hooks")


@pytest.mark.parametrize(
    "helper", ["def offer_ticket(): ...", "def enrich_questoin(): ...", "from bot.hooks.specs import check_answer"]
)
def test_helpers_and_imports_are_left_alone(load: Load, helper: str) -> None:
    found = load(f"{MARK}def extend_prompt(): ...\n\n{helper}", module="helpful")
    assert (found.error, found.warning) == ("", "")


def test_an_optional_hook_of_a_newer_version_is_left_alone(load: Load) -> None:
    found = load("from bot import hookimpl\n\n@hookimpl(optionalhook=True)\ndef dream(): ...", module="newer")
    assert not found.error


def test_a_plugin_without_hooks_is_said_to_have_none(load: Load) -> None:
    assert load("VALUE = 1", module="empty").warning == "it has no hooks"


def test_an_error_has_its_place_and_traceback_and_is_logged_once(load: Load) -> None:
    source = "def begin():\n    raise RuntimeError('boom')\n\nbegin()"
    with capture_logs() as logs:
        found = load(source, module="broken")
        load(source, module="broken")
    assert found.error == "RuntimeError: boom (broken.py, line 2)"
    assert "broken.py" in found.traceback
    assert "registry.py" not in found.traceback
    assert [log["event"] for log in logs] == ["plugin_not_loaded"]
    assert load("def f(:", module="unclosed").error.count("unclosed.py, line 1") == 1


def test_a_clash_of_names_is_one_short_line(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    load(f"{MARK}def extend_prompt(): ...", module="twice")
    points = [EntryPoint(name, "twice", "mentee") for name in ("one", "two", "one")]
    monkeypatch.setattr(POINTS, lambda **_: points)
    loaded = Registry(specs, ()).loaded
    assert loaded["two"].error == "it is the same module as the plugin 'one'"
    assert loaded["one from twice"].error == "the plugin 'one' (twice) has this name"


def test_the_command_line_shows_warnings_and_tracebacks(
    load: Load, make_home: MakeHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load("def extend_prompt(): ...", module="listed")
    points = [EntryPoint(name, name, "mentee") for name in ("listed", "nowhere")]
    monkeypatch.setattr(POINTS, lambda **_: points)
    make_home(discover=True).close()
    capsys.readouterr()
    assert run(["plugins", "list", "--json"]) == 0
    states = {row["name"]: row["state"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert states["listed"].startswith("on, but extend_prompt isn't marked as a hook")
    assert states["nowhere"].startswith("not loaded: ModuleNotFoundError: No module named 'nowhere'")
    assert run(["plugins", "show", "nowhere"]) == 0
    assert "Problem: ModuleNotFoundError" in capsys.readouterr().out
