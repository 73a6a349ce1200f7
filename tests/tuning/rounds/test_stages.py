"""A round that is killed in each of its stages does each of them to its end once, and ends once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bot.app import open_mentee
from bot.domain.identifiers import now
from bot.storage.tables.training import RoundRow
from tuning import services
from tuning.rounds.stages import STAGES, Stages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from tuning.rounds.stages import Carried


class KilledError(BaseException):
    """Ends a stage as kill -9 does: nothing catches it."""


class Mortal(Stages):
    """Stages of which each is killed the first time, before or after its work."""

    begun: Counter[str]
    ended: Counter[str]
    after: bool

    def run(self, stage: str, carried: Carried) -> Carried:
        assert carried == dict.fromkeys(STAGES[: STAGES.index(stage)], 1)
        self.begun[stage] += 1
        if self.begun[stage] == 1 and not self.after:
            raise KilledError
        self.ended[stage] += 1
        if self.begun[stage] == 1:
            raise KilledError  # its result is not kept yet
        return {stage: 1}


@pytest.fixture
def workers(make_home: MakeHome) -> Iterator[tuple[Mentee, Mentee]]:
    """Return an instance in two processes."""
    mentee = make_home(departments=("support",))
    other = open_mentee(mentee.settings, discover=False)
    yield mentee, other
    other.close()


@pytest.mark.parametrize("after", [False, True])
def test_a_round_killed_in_every_stage_goes_on_from_the_one_it_was_in(
    workers: tuple[Mentee, Mentee], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(Mortal, "begun", Counter(), raising=False)
    monkeypatch.setattr(Mortal, "ended", Counter(), raising=False)
    monkeypatch.setattr(Mortal, "after", after, raising=False)
    for worker in workers:
        monkeypatch.setattr(worker.plugins, "on_round_finished", lambda event: heard.append(event.verdict))
    round_id = services.rounds(workers[0]).start("support", actor="test").id
    for kills, worker in enumerate(cycle(workers)):
        rounds = services.rounds(worker)
        row = rounds.take()
        assert row is not None
        assert (row.id, row.interruptions, row.strikes) == (round_id, kills, 0)
        try:
            Mortal(services.stages(worker, round_id)._services, round_id).carry(row.results)
        except KilledError:
            with worker.store.write() as session:
                session.execute(update(RoundRow).values(leased_until=now() - timedelta(seconds=1)))
        else:
            break
    assert Mortal.begun == dict.fromkeys(STAGES, 2)
    assert Mortal.ended == dict.fromkeys(STAGES, 2 if after else 1)
    assert heard == ["finished"]
    assert services.rounds(workers[0]).get(round_id).state == "finished"
    assert services.rounds(workers[0]).take() is None
