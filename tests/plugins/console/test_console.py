from __future__ import annotations

import html
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.domain.people import Person
from bot.domain.ports import ConsolePanel
from bot.domain.questions import Question
from bot.storage.tables.access import AuditRow, PluginStateRow
from bot.testing.notes import NotesRetriever, make_plugin
from plugins.web.testing.fixtures import TRAVEL, WEB_PLUGINS, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome
    from bot.testing.serving import ServedHome, ServeHome

QUESTION = Question("Are hotels taxed?", Person("user:ada"))


class Example(BaseModel):
    on: bool = True
    limit: int = Field(3, ge=1, description="How many.")
    name: str = "Ada <b>"
    words: list[str] = ["a"]
    key: SecretStr = SecretStr("hidden")


def raises() -> int:
    raise ZeroDivisionError("by zero")


class Raising(BaseModel):
    number: int = Field(default_factory=raises)


def unloaded_guard(drafts: str) -> None:
    """A guard that is left out: its hook has no such parameter."""


def notes() -> NotesRetriever:
    return NotesRetriever()


@pytest.fixture
def console(
    make_home: MakeHome, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> tuple[ServedHome, httpx2.Client]:
    """A client signed in as an operator, over a home with a configurable plugin and panels."""
    panels = make_plugin(register_panels=lambda: [ConsolePanel("Box <1>", "<b>bold</b><script>alert(1)</script>")])

    def broken() -> Sequence[ConsolePanel]:
        raise RuntimeError("broken panel")

    home = serve_home(
        make_home(
            departments=(TRAVEL,),
            settings={"web": {"port": 0, "sign_in": "demo"}},
            engine=web_engine,
            built_in=WEB_PLUGINS,
            extra_plugins={
                "notes": make_plugin(register_retriever=notes, register_settings=lambda: Example),
                "panels": panels,
                "broken": make_plugin(register_panels=broken),
                "guard": make_plugin(check_answer=lambda: None),
                "raising": make_plugin(register_settings=lambda: Raising),
                "unloaded": make_plugin(check_answer=unloaded_guard),
                "doubtful": SimpleNamespace(register_tables=lambda: None),
            },
        )
    )
    return home, visit(home)


def test_the_page_shows_departments_and_plugins(console: tuple[ServedHome, httpx2.Client]) -> None:
    _, client = console
    page = client.get("/console/").text
    for shown in ("Travel", "base model", "No round yet.", "notes", "department.add"):
        assert shown in page
    assert "Ada &lt;b&gt;" in page
    assert "hidden" not in page.replace('type="hidden"', "")


def test_a_champion_that_cannot_be_used_is_shown(
    console: tuple[ServedHome, httpx2.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, client = console
    problem = "Champion travel-2 can't be used: it is gone. travel-1 answers instead."
    monkeypatch.setattr(home.mentee.active_adapters, "problems", lambda: {"travel": problem})
    assert problem in html.unescape(client.get("/console/").text)


def test_a_panel_is_cleaned_and_a_failing_one_left_out(console: tuple[ServedHome, httpx2.Client]) -> None:
    _, client = console
    page = client.get("/console/").text
    assert "<b>bold</b>" in page
    assert "Box &lt;1&gt;" in page
    assert "<script>" not in page


def test_a_stored_value_that_no_longer_fits_does_not_break_the_page(
    console: tuple[ServedHome, httpx2.Client],
) -> None:
    home, client = console
    with home.mentee.store.write() as session:
        session.add(PluginStateRow(plugin="notes", department="travel", settings={"limit": 0}))
    home.mentee.plugins.states.switch("guard", "travel", enabled=True, actor="test")  # reads anew
    page = client.get("/console/?department=travel")
    assert page.status_code == 200
    assert "It can&#39;t work: Setting &#39;limit&#39; of plugin &#39;notes&#39;" in page.text


def test_settings_are_changed_for_one_department_with_an_audit_row(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    given = {"department": "travel", "on": "on", "limit": "7", "name": "Ada <b>", "words": "a"}
    saved = client.post("/console/plugins/notes/settings", data=given)
    assert saved.status_code == 303
    assert "Saved." in client.get(saved.headers["location"]).text
    again = client.post("/console/plugins/notes/settings", data={"department": "travel", "limit": "7"})
    assert "Nothing was changed." in client.get(again.headers["location"]).text
    states = home.mentee.plugins.states
    assert states.settings("notes", "travel", Example) == Example(limit=7)
    assert states.settings("notes", None, Example) == Example()
    with home.mentee.store.read() as session:
        row = session.query(AuditRow).filter_by(action="plugin.configure").one()
    assert (row.actor, row.detail) == ("web:demo", {"department": "travel", "settings": ["limit"]})


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("notes/settings", {"limit": "0"}, 422),
        ("panels/settings", {"limit": "0"}, 500),
        ("web/switch", {"enabled": "off"}, 403),
        ("web/switch", {"enabled": "off", "confirmed": "yes", "department": "travel"}, 403),
        ("console/switch", {"enabled": "off", "confirmed": "yes"}, 403),
        ("nothing/settings", {}, 404),
        ("nothing/switch", {"enabled": "off"}, 404),
        ("notes/switch", {"enabled": "off", "department": "nowhere"}, 404),
    ],
)
def test_unusable_changes_are_refused_and_change_nothing(
    console: tuple[ServedHome, httpx2.Client], path: str, given: dict[str, str], status: int
) -> None:
    home, client = console
    assert client.post(f"/console/plugins/{path}", data=given).status_code == status
    assert home.mentee.plugins.states.settings("notes", None, Example) == Example()
    for plugin in ("notes", "web", "console"):
        assert home.mentee.plugins.states.enabled(plugin, "travel")


def test_a_refused_form_keeps_what_was_typed(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    given = {"department": "travel", "was.on": "true", "limit": "0", "name": " Grace\r\n& Bo", "words": "a\r\n\r\n b "}
    refused = client.post("/console/plugins/notes/settings", data=given)
    assert refused.status_code == 422
    page = refused.text
    assert re.search(r'name="limit" [^>]*aria-invalid="true" autofocus value="0"', page)
    assert "Input should be greater than or equal to 1" in page
    assert re.search(r"<textarea [^>]*name=\"name\"[^>]*>\n Grace\n&amp; Bo</textarea>", page)
    assert re.search(r"<textarea [^>]*name=\"words\"[^>]*>\na\n\n b</textarea>", page)
    assert re.search(r'<input type="checkbox" [^>]*name="on" [^>]*>', page)
    assert " checked" not in page
    assert page.count("autofocus") == 1
    assert home.mentee.plugins.states.settings("notes", "travel", Example) == Example()
    assert client.get("/console/plugins/notes/settings").status_code == 303, "the page can be loaded again"


def test_a_setting_follows_the_next_level_again(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    for scope, limit in (("", "5"), ("travel", "7")):
        client.post("/console/plugins/notes/settings", data={"department": scope, "limit": limit})
    page = client.get("/console/?department=travel").text
    assert "Reset to the instance&#39;s value: 5" in page
    client.post("/console/plugins/notes/settings", data={"department": "travel", "reset": "limit"})
    assert home.mentee.plugins.states.settings("notes", "travel", Example) == Example(limit=5)
    page = client.get("/console/?department=travel").text
    assert "How many. From the instance." in page
    client.post("/console/plugins/notes/settings", data={"reset": "limit"})
    assert home.mentee.plugins.states.settings("notes", "travel", Example) == Example()


def test_a_secret_is_given_by_reference(
    console: tuple[ServedHome, httpx2.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, client = console
    refused = client.post("/console/plugins/notes/settings", data={"key": "xoxb-1"})
    assert refused.status_code == 422
    assert "Mentee doesn&#39;t store secrets. Give $NAME" in refused.text
    monkeypatch.setenv("NOTES_KEY", "sesame")
    client.post("/console/plugins/notes/settings", data={"key": "$NOTES_KEY"})
    settings = home.mentee.plugins.states.settings("notes", None, Example)
    assert settings == Example(key=SecretStr("sesame"))
    page = client.get("/console/").text
    assert 'value="$NOTES_KEY"' in page
    assert "sesame" not in page


def test_what_another_operator_changed_meanwhile_stays(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    home.mentee.plugins.states.configure("notes", "", {"name": "Bo"}, actor="other", model=Example)
    given = {"was.name": "Ada <b>", "name": "Ada <b>", "was.limit": "3", "limit": "4", "was.on": "true", "on": "on"}
    client.post("/console/plugins/notes/settings", data=given)
    assert home.mentee.plugins.states.settings("notes", None, Example) == Example(name="Bo", limit=4)


def test_before_a_guard_is_switched_off_the_console_says_what_follows(
    console: tuple[ServedHome, httpx2.Client],
) -> None:
    home, client = console
    states = home.mentee.plugins.states
    states.switch("unloaded", "", enabled=False, actor="test")  # it would be a guard, too
    asked = client.post("/console/plugins/guard/switch", data={"enabled": "off"})
    assert asked.status_code == 200
    for said in (
        "Switch off guard for the whole instance?",
        "No guard is left in the department travel: answers are shown unchecked.",
    ):
        assert said in asked.text
    assert states.enabled("guard", "travel")
    done = client.post("/console/plugins/guard/switch", data={"enabled": "off", "confirmed": "yes"})
    assert not states.enabled("guard", "travel")
    page = client.get(done.headers["location"]).text
    assert re.search(r"Switched off\.\s+<button class=\"plain\">Undo", page)
    client.post("/console/plugins/guard/switch", data={"enabled": "on"})
    assert states.enabled("guard", "travel")


def test_a_plugin_that_did_not_load_can_be_switched_off(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    refused = home.mentee.plugins.check_answer(QUESTION, "Hotels are taxed.", (), None, "model", "travel")
    assert refused is not None
    assert refused.guard == "unloaded"
    page = client.get("/console/?department=travel").text
    assert "Not loaded: the hook &#39;check_answer&#39; has no parameter &#39;drafts&#39;" in page
    assert 'aria-checked="true" aria-label="unloaded"' in page
    asked = client.post("/console/plugins/unloaded/switch", data={"department": "travel", "enabled": "off"})
    assert "Answers in the department travel are no longer checked by it." in asked.text
    given = {"department": "travel", "enabled": "off", "confirmed": "yes"}
    page = client.get(client.post("/console/plugins/unloaded/switch", data=given).headers["location"]).text
    assert "Switched off for travel." in page
    assert 'aria-checked="false" aria-label="unloaded"' in page
    assert home.mentee.plugins.check_answer(QUESTION, "Hotels are taxed.", (), None, "model", "travel") is None


def test_a_switch_is_reset_and_this_can_be_undone(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    states = home.mentee.plugins.states
    states.switch("guard", "", enabled=False, actor="test")
    states.switch("guard", "travel", enabled=True, actor="test")
    page = client.get("/console/?department=travel").text
    assert page.count("Reset to ") == 1
    assert "Reset to the instance: off" in page
    reset = {"department": "travel", "enabled": "inherit"}
    asked = client.post("/console/plugins/guard/switch", data=reset)
    assert "Answers in the department travel are no longer checked by it." in asked.text
    assert 'name="enabled" value="inherit"' in asked.text
    assert states.enabled("guard", "travel")
    done = client.post("/console/plugins/guard/switch", data={**reset, "confirmed": "yes"})
    assert states.decided("guard", "travel") == (False, "instance")
    page = client.get(done.headers["location"]).text
    assert "Switch reset for travel." in page
    assert 'name="enabled" value="on"' in page, "undo"
    client.post("/console/plugins/guard/switch", data={"enabled": "inherit"})
    assert states.decided("guard", "travel") == (True, "default")


def test_undo_restores_a_switch_that_inherited(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    done = client.post("/console/plugins/panels/switch", data={"department": "travel", "enabled": "off"})
    page = client.get(done.headers["location"]).text
    assert re.search(r'name="enabled" value="inherit">\s+Switched off for travel\.', page)
    client.post("/console/plugins/panels/switch", data={"department": "travel", "enabled": "inherit"})
    assert home.mentee.plugins.states.own("panels", "travel") is None


def test_a_reset_that_takes_the_console_away_is_refused(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    home.mentee.plugins.states.switch("web", "travel", enabled=True, actor="test")
    home.mentee.plugins.states.switch("web", "", enabled=False, actor="test")
    refused = client.post("/console/plugins/web/switch", data={"department": "travel", "enabled": "inherit"})
    assert refused.status_code == 403


def test_a_plugin_that_nobody_would_miss_is_switched_off_at_once(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    assert client.post("/console/plugins/panels/switch", data={"enabled": "off"}).status_code == 303
    assert not home.mentee.plugins.states.enabled("panels", None)


def test_a_probable_mistake_and_what_a_plugin_is_for_are_shown(console: tuple[ServedHome, httpx2.Client]) -> None:
    page = console[1].get("/console/").text
    assert "Check this plugin: register_tables isn&#39;t marked as a hook" in page
    assert "The operators&#39; page" in page


def test_settings_whose_own_code_raises_break_no_page(console: tuple[ServedHome, httpx2.Client]) -> None:
    page = console[1].get("/console/")
    assert page.status_code == 200
    assert "Its settings can&#39;t be shown: ZeroDivisionError: by zero" in page.text


def test_a_failing_guard_is_shown(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    home.mentee.plugins.states.note_problem("guard", "check_answer: no result after 2 s")
    page = client.get("/console/").text
    assert "Failing, so what it should check is refused: check_answer: no result after 2 s" in page


def test_how_a_plugin_failed_last_is_shown_with_its_traceback(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    plugins = home.mentee.plugins
    for problem in ("KeyError: 'HR'", "LookupError: <page> is gone"):
        plugins.failed("notes", f"documents() of the source '{problem[:3]}'", problem, 'File "wiki.py", line 3\n')
    page = client.get("/console/").text
    assert "documents() of the source &#39;Loo&#39;: LookupError: &lt;page&gt; is gone" in page
    assert "KeyError" not in page
    assert page.count("File &#34;wiki.py&#34;, line 3") == page.count("Last failure, ") == 1


def test_a_paused_helper_is_shown_and_said_to_refuse_nothing(console: tuple[ServedHome, httpx2.Client]) -> None:
    home, client = console
    home.mentee.plugins.states.note_problem("notes", "paused for travel until 12:00:00 UTC")
    page = client.get("/console/").text
    assert ">paused for travel until 12:00:00 UTC<" in page
    assert "Failing, so what it should check is refused" not in page
