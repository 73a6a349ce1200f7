"""The settings of a channel: stored, checked, audited, and set from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.cli.main import run
from bot.domain.errors import NotFoundError, SettingsError
from bot.domain.people import EVERYONE
from bot.storage.tables.access import AuditRow
from plugins.slack.copy import channels as texts
from plugins.slack.settings import SlackSettings
from plugins.slack.views.channel_settings import form_view
from plugins.slack.workspaces.channels import Channels, ChannelSettings

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("travel", "it"), built_in=("plugins.slack",))


@pytest.fixture
def channels(mentee: Mentee) -> Channels:
    return Channels(mentee.places, SlackSettings.of(mentee.settings))


def test_a_channel_that_nobody_set_has_the_defaults(channels: Channels) -> None:
    assert channels.get("C1") == ChannelSettings()
    assert channels.all() == {}


def test_a_change_keeps_what_it_does_not_name(channels: Channels, mentee: Mentee) -> None:
    channels.change("C1", {"departments": "travel, it", "quiet": "react", "reads": ["department:it"]}, actor="ada")
    changed = channels.change("C1", {"quiet": "silent"}, actor="ada")
    assert channels.get("C1") == changed
    assert (changed.departments, changed.quiet, changed.reads) == (("travel", "it"), "silent", ("department:it",))
    mentee.places.bind("slack:C1", "it", actor="ada")
    assert channels.get("C1").quiet == "silent", "binding a department leaves the other settings alone"
    with mentee.store.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "place.configure")).all()[0]
    assert (row.actor, row.subject, row.detail["config"]["quiet"]) == ("ada", "slack:C1", "react")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"answer": "all"}, "answer"),
        ({"answers": "sometimes"}, "answers"),
        ({"askers": "admins"}, "askers"),
        ({"follow_ups": "perhaps"}, "follow_ups"),
    ],
)
def test_an_unusable_value_is_named_and_changes_nothing(channels: Channels, values: Any, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        channels.change("C1", {"quiet": "react", **values}, actor="ada")
    assert repr(named) in refused.value.text
    assert repr(next(iter(values.values()))) in refused.value.text or named == "askers"
    assert channels.all() == {}


def test_a_department_or_channel_that_is_none_is_refused(channels: Channels) -> None:
    with pytest.raises(NotFoundError, match="'finance'"):
        channels.change("C1", {"departments": ["finance"]}, actor="ada")
    with pytest.raises(SettingsError, match="'#general' isn't a Slack channel"):
        channels.change("#general", {"quiet": "react"}, actor="ada")


def test_who_reads_a_channel(channels: Channels) -> None:
    settings = ChannelSettings(reads=("department:it",))
    assert channels.audience(settings, external=False).principals == {"department:it", EVERYONE}
    assert channels.audience(settings, external=True).principals == {"department:it"}


def test_the_modal_offers_every_setting_but_the_rights(mentee: Mentee) -> None:
    departments = mentee.departments.all()
    view = form_view("C1", ChannelSettings(departments=("it",), askers=("S1",)), departments, external=True)
    inputs = {block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"}
    assert set(inputs) == set(ChannelSettings.model_fields) - {"reads"} == set(texts.LABELS)
    assert [option["value"] for option in inputs["departments"]["initial_options"]] == ["it"]
    assert inputs["askers"]["initial_value"] == "S1"
    assert "Another company" in view["blocks"][0]["text"]["text"]
    for name, choices in texts.CHOICES.items():
        for value in choices:
            decoded = json.loads(value) if value in ("true", "false", "null") else value
            assert getattr(ChannelSettings(**{name: decoded}), name) == decoded


def test_the_command_line_sets_shows_and_lists(mentee: Mentee, capsys: pytest.CaptureFixture[str]) -> None:
    mentee.close()
    assert run(["slack", "channel", "set", "C1", "answers=all", "askers=S1 S2", "departments=travel", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["answers"], made["askers"], made["departments"]) == ("all", ["S1", "S2"], ["travel"])
    assert run(["slack", "channel", "show", "C1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == made
    assert run(["slack", "channel", "list"]) == 0
    listed = capsys.readouterr().out
    assert "C1" in listed
    assert "answers=all" in listed
    assert run(["slack", "channel", "set", "C1", "askers=", "train_eligible=false"]) == 0
    assert "S1" not in capsys.readouterr().out
    assert run(["slack", "channel", "set", "C1", "answers=sometimes"]) != 0
    assert "'answers'" in capsys.readouterr().err
