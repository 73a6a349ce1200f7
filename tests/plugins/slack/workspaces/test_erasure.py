"""Erasing a person of Slack reaches what knows them by Slack's own id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.deliveries import InboxItem
from bot.domain.people import Person
from bot.storage.tables.delivery import InboxRow
from plugins.slack.workspaces.tables import InstallationRow

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome

USER = "U024BE7LH"


def test_installations_and_items_forget_a_person(make_home: MakeHome) -> None:
    mentee = make_home(departments=("it",), built_in=("plugins.slack",))
    mentee.people.ensure(Person(f"slack:{USER}", "Ada"))
    mentee.inbox.accept(InboxItem("slack", "question", {"user": USER, "text": "Where?"}, "one"))
    mentee.inbox.accept(InboxItem("slack", "question", {"user": "U0OTHER99", "text": "When?"}, "two"))
    with mentee.store.write() as session:
        session.add(InstallationRow(workspace="T1", data={"user_id": USER, "team_id": "T1"}))
    erased = mentee.erasing.person(f"slack:{USER}", actor="test")
    assert erased.left == ()
    with mentee.store.read() as session:
        assert [row.payload["text"] for row in session.scalars(select(InboxRow))] == ["When?"]
        assert session.get_one(InstallationRow, "T1").data == {"user_id": erased.id, "team_id": "T1"}
    assert list(mentee.erasing.orphans()) == []


def test_the_same_user_id_in_another_workspace_is_somebody_else(make_home: MakeHome) -> None:
    mentee = make_home(departments=("it",), built_in=("plugins.slack",))
    mentee.people.ensure(Person(f"slack:T0ONE:{USER}", "Ada"))
    mentee.people.ensure(Person(f"slack:T0TWO:{USER}", "Bob"))
    for team, text in (("T0ONE", "Where?"), ("T0TWO", "When?")):
        mentee.inbox.accept(InboxItem("slack", "question", {"user": USER, "team": team, "text": text}, team))
        with mentee.store.write() as session:
            session.add(InstallationRow(workspace=team, data={"user_id": USER, "team_id": team}))
    erased = mentee.erasing.person(f"slack:T0ONE:{USER}", actor="test")
    assert erased.left == ()
    with mentee.store.read() as session:
        (left,) = session.scalars(select(InboxRow))
        assert left.payload == {"user": USER, "team": "T0TWO", "text": "When?"}
        assert session.get_one(InstallationRow, "T0ONE").data["user_id"] == erased.id
        assert session.get_one(InstallationRow, "T0TWO").data["user_id"] == USER
    assert list(mentee.erasing.orphans()) == []
