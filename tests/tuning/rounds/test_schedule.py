"""Rounds that start by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning import services

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome
    from bot.testing.votes import ImportVotes


def test_enough_new_votes_start_a_round_once(make_home: MakeHome, import_made_up_votes: ImportVotes) -> None:
    mentee = make_home(departments=("support", "travel"), settings={"tuning": {"threshold": 8}})
    rounds, schedule = services.rounds(mentee), services.schedule(mentee)
    assert schedule.start_due() == []
    import_made_up_votes(mentee, 8)
    (started,) = schedule.start_due()
    assert rounds.get(started).department == "support"
    assert schedule.start_due() == []
    rounds.take()
    rounds.end(started, "finished")
    assert schedule.start_due() == []  # no new votes since


def test_an_unusable_schedule_starts_nothing_and_hurts_no_other_department(make_home: MakeHome) -> None:
    mentee = make_home(departments=("support", "travel"))
    mentee.departments.configure("support", {"tuning.schedule": "every day"}, actor="test")
    mentee.departments.configure("travel", {"tuning.schedule": "* * * * *"}, actor="test")
    started = services.schedule(mentee).start_due()
    assert [services.rounds(mentee).get(round_id).department for round_id in started] == ["travel"]
