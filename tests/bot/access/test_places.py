from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.access.places import Place, Places
from bot.domain.errors import NotFoundError, SettingsError
from bot.domain.people import EVERYONE, Audience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Departments
    from bot.testing.homes import MakeHome


@pytest.fixture
def departments(make_mentee: MakeHome) -> Departments:
    return make_mentee(departments=("it", "hr")).departments


@pytest.fixture
def places(departments: Departments) -> Places:
    return Places(departments._store, departments)


@pytest.mark.parametrize(
    ("channel", "reads", "problem"),
    [
        ("general", (), "not a channel"),
        ("slack:", (), "not a channel"),
        ("slack:C1", ("hr",), "be the reader of a document"),
    ],
)
def test_a_channel_and_what_it_reads_are_named_in_full(
    places: Places, channel: str, reads: Sequence[str], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        places.bind(channel, "hr", actor="ada", principals=reads)
    assert places.get(channel) is None


def test_a_channel_asks_with_its_own_rights(departments: Departments, places: Places) -> None:
    departments.configure("hr", {"open": False}, actor="ada")
    places.configure(Place("slack:C1", ("hr",), ("department:hr",)), actor="ada")
    channel = places.get("slack:C1")
    assert channel is not None
    assert departments.askable(Audience(frozenset({EVERYONE, *channel.principals}))) == ["hr", "it"]
    assert channel.train_eligible is None, "left to the channel plugin until somebody says"
    with pytest.raises(NotFoundError):
        places.configure(Place("slack:C1", ("finance",)), actor="ada")


def test_binding_a_channel_again_keeps_what_was_granted(places: Places) -> None:
    places.bind("slack:C1", "hr", actor="ada", train_eligible=True, principals=["department:hr"])
    places.bind("slack:C1", "it", actor="ada")
    channel = places.get("slack:C1")
    assert channel is not None
    assert (channel.departments, channel.principals, channel.train_eligible) == (("hr", "it"), ("department:hr",), True)
