"""Decides which votes and corrections a round may use, and which wait for a person.

What is *held* waits for an operator, and the round goes on without it: votes of young accounts, bursts, accounts that
vote in lockstep, and long corrections that need a second agent. Everything that an outlier said is *quarantined*, which
means the same for a graver reason. An operator's import is reviewed history: age and bursts don't matter there. The
result follows from the database alone, so a round that is built again sees the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from bot.domain.people import Role
from tuning.data.aggregate import rated_key, strength
from tuning.data.agreement import outliers
from tuning.data.bursts import alike, in_burst

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from bot.config.core import TuningSettings
    from bot.domain.feedback import Correction, RatedAnswer, Vote
    from bot.domain.people import Person

YOUNG = "young account"
BURST = "too many votes at once"
ALIKE = "accounts vote alike"
UNCONFIRMED = "long correction needs a second agent"
OUTLIER = "contradicts the others"

SET_ASIDE = ("capped", "held", "quarantined", "discarded")
"""What a round counts: rows over somebody's share, then votes and corrections that it doesn't use."""

Decision = Literal["released", "discarded"]


@dataclass(frozen=True, slots=True)
class Statement:
    """What one person said about one answer: a vote, a correction, or both."""

    rated: RatedAnswer
    person: Person
    vote: Vote | None
    correction: Correction | None

    @property
    def id(self) -> str:
        """Identity. It changes with what was said, so a decision is about these words only."""
        said = (self.vote.value if self.vote else None, self.correction.text if self.correction else None)
        identity = "\0".join(map(str, (self.rated.exchange.answer.id, self.person.id, *said)))
        return f"v_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    @property
    def parts(self) -> Sequence[Vote | Correction]:
        """The vote and the correction, if given."""
        return [part for part in (self.vote, self.correction) if part is not None]

    @property
    def at(self) -> datetime:
        """When it was last changed."""
        return max(part.at for part in self.parts)

    @property
    def reviewed(self) -> bool:
        """Whether an operator brought all of it in."""
        return all(part.reviewed for part in self.parts)


@dataclass(frozen=True, slots=True)
class Held:
    """A statement that a round doesn't use until somebody decides.

    :param quarantined: whether it is an outlier's.
    :param detail: the numbers behind the reason.
    """

    statement: Statement
    reason: str
    detail: str = ""
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Screened:
    """The result: what may be used, what waits, and how many statements an operator has discarded."""

    rated: Sequence[RatedAnswer]
    held: Sequence[Held]
    discarded: int


def screen(
    rated: Iterable[RatedAnswer],
    policy: TuningSettings,
    *,
    known_since: Mapping[str, datetime],
    decisions: Mapping[str, Decision],
) -> Screened:
    """Set aside what must wait.

    :param known_since: when each person was first seen; who isn't in it is new.
    :param decisions: what operators decided, by statement.
    """
    everything = list(rated)
    said = [statement for item in everything for statement in _statements(item)]
    open_ = [each for each in said if each.id not in decisions]
    held = {each.statement.id: each for each in _held(open_, said, policy, known_since)}
    discarded = {each.id for each in said if decisions.get(each.id) == "discarded"}
    used = [each for each in said if each.id not in discarded and each.id not in held]
    odd = outliers(_ballots(used), policy.outlier_level)
    for each in open_:
        if each.id not in held and (found := odd.get(each.person.id)):
            detail = f"{found.contradicted} of {found.compared} votes, p = {found.probability:.1g}"
            held[each.id] = Held(each, OUTLIER, detail, quarantined=True)
    keeping = _Keeping(held, discarded)
    kept = [keeping.of(item) for item in everything]
    return Screened(
        kept, sorted(held.values(), key=lambda each: (each.statement.at, each.statement.id)), len(discarded)
    )


@dataclass(frozen=True, slots=True)
class _Keeping:
    """Removes from answers what isn't used."""

    held: Mapping[str, Held]
    discarded: set[str]

    def of(self, item: RatedAnswer) -> RatedAnswer:
        out_of_votes, out_of_corrections = set(), set()
        for each in _statements(item):
            reason = self.held[each.id].reason if each.id in self.held else None
            if reason or each.id in self.discarded:
                out_of_corrections.add(each.person.id)
            if (reason and reason != UNCONFIRMED) or each.id in self.discarded:
                out_of_votes.add(each.person.id)
        if not out_of_corrections:
            return item
        votes = tuple(vote for vote in item.votes if vote.person.id not in out_of_votes)
        corrections = tuple(each for each in item.corrections if each.person.id not in out_of_corrections)
        return replace(item, votes=votes, corrections=corrections)


def _statements(item: RatedAnswer) -> Iterator[Statement]:
    votes = {vote.person.id: vote for vote in item.votes}
    corrections = {each.person.id: each for each in item.corrections}
    for person_id in sorted({*votes, *corrections}):
        vote, correction = votes.get(person_id), corrections.get(person_id)
        if (part := correction or vote) is not None:
            yield Statement(item, part.person, vote, correction)


def _held(
    open_: Sequence[Statement],
    said: Sequence[Statement],
    policy: TuningSettings,
    known_since: Mapping[str, datetime],
) -> Iterator[Held]:
    """Yield what waits. If there are several reasons, the last one counts."""
    yield from _unconfirmed(open_, said, policy.confirm_corrections)
    fresh = [each for each in open_ if not each.reviewed]
    yield from _in_lockstep(fresh, policy)
    yield from _in_bursts(fresh, policy)
    oldest = timedelta(days=policy.account_days)
    for each in fresh:
        age = each.at - known_since.get(each.person.id, each.at)
        if each.person.role is Role.EMPLOYEE and age < oldest:
            yield Held(each, YOUNG, f"{max(age.days, 0)} days old")


def _in_bursts(fresh: Sequence[Statement], policy: TuningSettings) -> Iterator[Held]:
    if not policy.burst_votes:
        return
    of_person: dict[str, list[Statement]] = defaultdict(list)
    for each in fresh:
        of_person[each.person.id].append(each)
    for own in of_person.values():
        times = in_burst([each.at for each in own], policy.burst_votes, timedelta(minutes=policy.burst_minutes))
        burst = [each for each in own if each.at in times]
        for each in burst:
            yield Held(each, BURST, f"{len(burst)} votes")


def _in_lockstep(fresh: Sequence[Statement], policy: TuningSettings) -> Iterator[Held]:
    if not policy.alike_accounts:
        return
    of_employees = [each for each in fresh if each.person.role is Role.EMPLOYEE]
    acts = [
        (each.person.id, str((rated_key(each.rated), each.vote.value)), each.vote.at)
        for each in of_employees
        if each.vote is not None
    ]
    people = alike(acts, policy.alike_accounts, timedelta(minutes=policy.burst_minutes))
    for each in of_employees:
        if each.person.id in people:
            yield Held(each, ALIKE, f"{len(people)} accounts")


def _unconfirmed(open_: Sequence[Statement], said: Sequence[Statement], characters: int) -> Iterator[Held]:
    if not characters:
        return
    authors: dict[tuple[object, str], set[str]] = defaultdict(set)
    for each in said:
        if each.correction and each.person.role is not Role.EMPLOYEE:
            authors[rated_key(each.rated), each.correction.text.strip()].add(each.person.id)
    for each in open_:
        if each.correction is None or each.correction.reviewed or len(each.correction.text) <= characters:
            continue
        agreeing = authors[rated_key(each.rated), each.correction.text.strip()] | {each.person.id}
        if len(agreeing) < 2:  # noqa: PLR2004 - one person alone
            yield Held(each, UNCONFIRMED, f"{len(each.correction.text)} characters")


def _ballots(said: Iterable[Statement]) -> Iterator[list[tuple[str, Literal["up", "down"], float]]]:
    """Yield the votes on each answer, one per person, the newest. Agents are compared with agents only."""
    ballots: dict[object, dict[str, Vote]] = defaultdict(dict)
    for each in sorted(said, key=lambda each: (each.at, each.id)):
        if each.vote is not None:
            ballots[rated_key(each.rated)][each.person.id] = each.vote
    for ballot in ballots.values():
        yield [(vote.person.id, vote.value, strength(vote)) for vote in ballot.values() if vote.value]
