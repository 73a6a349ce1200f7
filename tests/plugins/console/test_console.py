from __future__ import annotations

from enum import StrEnum

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.errors import SettingsError
from bot.protocols import ConsolePanel
from bot.store.models import AuditRow
from bot.testing.notes import NotesRetriever, make_plugin
from bot.testing.web import TRAVEL, WEB_PLUGINS
from plugins.console.forms import fields, read


class Mood(StrEnum):
    CALM = "calm"
    BRIGHT = "bright"


class Example(BaseModel):
    on: bool = True
    limit: int = Field(3, ge=1, description="How many.")
    name: str = "Ada <b>"
    mood: Mood = Mood.CALM
    words: list[str] = ["a"]
    key: SecretStr = SecretStr("hidden")


def test_a_form_has_a_field_for_each_setting_but_secrets():
    drawn = {field.name: (field.kind, field.value) for field in fields(Example, Example())}
    assert drawn == {
        "on": ("checkbox", "true"),
        "limit": ("number", "3"),
        "name": ("text", "Ada <b>"),
        "mood": ("choice", "calm"),
        "words": ("json", '["a"]'),
    }


def test_only_what_was_changed_is_read_back():
    form = fields(Example, Example())
    unchanged = {"on": ["on"], "limit": ["3"], "name": ["Ada <b>"], "mood": ["calm"], "words": ['["a"]']}
    assert read(form, unchanged) == {}
    changed = {"limit": ["5"], "name": ["Bo"], "mood": ["bright"], "words": ['["a", "b"]']}
    assert read(form, changed) == {"on": False, "limit": 5, "name": "Bo", "mood": "bright", "words": ["a", "b"]}


@pytest.mark.parametrize(("name", "value"), [("limit", "many"), ("words", "a, b")])
def test_what_cannot_be_read_is_refused(name, value):
    with pytest.raises(SettingsError, match="Expected"):
        read(fields(Example, Example()), {name: [value]})


def notes():
    return NotesRetriever()


@pytest.fixture
def console(make_home, serve_home, visit, web_engine):
    """A client signed in as an operator, over a home with a configurable plugin and panels."""
    panels = make_plugin(register_panels=lambda: [ConsolePanel("Box <1>", "<b>bold</b><script>alert(1)</script>")])

    def broken():
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
            },
        )
    )
    return home, visit(home)


def test_the_page_shows_departments_plugins_and_what_slack_trains(console):
    _, client = console
    page = client.get("/console/").text
    for shown in ("Travel", "base model", "No round yet.", "notes", "train_eligible", "department.add"):
        assert shown in page
    assert "Ada &lt;b&gt;" in page
    assert "hidden" not in page.replace('type="hidden"', "")


def test_a_panel_is_cleaned_and_a_failing_one_left_out(console):
    _, client = console
    page = client.get("/console/").text
    assert "<b>bold</b>" in page
    assert "Box &lt;1&gt;" in page
    assert "<script>" not in page


def test_settings_are_changed_for_one_department_with_an_audit_row(console):
    home, client = console
    given = {"department": "travel", "on": "on", "limit": "7", "name": "Ada <b>", "mood": "calm", "words": '["a"]'}
    assert client.post("/console/plugins/notes/settings", data=given).status_code == 303
    states = home.mentee.plugins.states
    assert states.settings("notes", "travel", Example).limit == 7
    assert states.settings("notes", None, Example).limit == 3
    with home.mentee.store.read() as session:
        row = session.query(AuditRow).filter_by(action="plugin.configure").one()
    assert (row.actor, row.detail) == ("web:demo", {"department": "travel", "settings": ["limit"]})


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("notes/settings", {"limit": "0"}, 500),
        ("nothing/settings", {}, 404),
        ("nothing/switch", {"enabled": "off"}, 404),
        ("notes/switch", {"enabled": "off", "department": "nowhere"}, 404),
    ],
)
def test_unusable_changes_are_refused_and_change_nothing(console, path, given, status):
    home, client = console
    assert client.post(f"/console/plugins/{path}", data=given).status_code == status
    assert home.mentee.plugins.states.settings("notes", None, Example) == Example()
    assert home.mentee.plugins.states.enabled("notes", None)
