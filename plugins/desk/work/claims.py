"""Claims: what an agent works on is held for them, so that no other agent does the same work.

A claim is for the subject of an item, its answer: two proposals for one answer are one piece of work. Each agent holds
one subject, the one they opened last, and those in other tabs that they are typing in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.errors import ConflictError
from bot.domain.identifiers import new_id
from bot.storage.clock import moment
from bot.storage.session import take_turns
from plugins.desk.settings import MOST_MINUTES
from plugins.desk.tables import ClaimRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

LONGEST = timedelta(minutes=MOST_MINUTES + 1)
"""A claim that would last longer was made while the clock was wrong, and counts as over."""


@dataclass(frozen=True, slots=True)
class Work:
    """What can be claimed: an item of the queue.

    :param subject: what it is about, the same for all items that are one piece of work.
    :param places: how many agents may work on it at the same time, each by themselves.
    """

    item: str
    subject: str
    department: str
    places: int = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """An agent's hold on a subject.

    :param token: names the page that opened it; another page of the same agent has another.
    :param seconds: how long it lasts from now on.
    """

    item: str
    subject: str
    department: str
    person_id: str
    token: str
    until: datetime
    seconds: float


class HeldError(ConflictError):
    """Others hold the subject.

    :param claim: theirs; of several, the one that ends first.
    """

    def __init__(self, claim: Claim) -> None:
        super().__init__("Another agent is working on this.", hint=f"You can take it over at {claim.until:%H:%M} UTC.")
        self.claim = claim


class Claims:
    """The claims of all agents. Everything here is blocking.

    :param minutes: returns how long a claim in a department lasts.
    """

    def __init__(self, store: Store, minutes: Callable[[str], float]) -> None:
        self._store = store
        self._minutes = minutes

    def held(self) -> tuple[Claim, ...]:
        """Return the claims that hold now, the one that ends first first."""
        with self._store.read() as session:
            return _held(session, moment(session))

    def take_first(self, person_id: str, wanted: Sequence[Work]) -> Claim | None:
        """Claim the first of these that has a place left, and release what the person held before.

        Of two agents who ask at the same moment, each gets another one. Return ``None`` if all are held.
        """
        minutes = {each.department: self._minutes(each.department) for each in wanted}
        with self._store.write() as session:
            at, held = _begin(session)
            first = next((each for each in wanted if not in_the_way(held, each, person_id)), None)
            if first is None:
                return None
            for row in session.scalars(select(ClaimRow).where(ClaimRow.person_id == person_id)).all():
                session.delete(row)
            session.flush()
            row = _row(first, person_id, new_id("cl"), at + timedelta(minutes=minutes[first.department]))
            session.add(row)
            return _claim(row, at)

    def renew(self, person_id: str, work: Work) -> Claim:
        """Hold something for longer, or again if the claim ran out and nobody else took it.

        :raises HeldError: others hold it.
        """
        minutes = self._minutes(work.department)
        with self._store.write() as session:
            at, held = _begin(session)
            others = in_the_way(held, work, person_id)
            if others:
                raise HeldError(others[0])
            own = next((each for each in held if (each.subject, each.person_id) == (work.subject, person_id)), None)
            token = own.token if own is not None else new_id("cl")
            row = session.merge(_row(work, person_id, token, at + timedelta(minutes=minutes)))
            return _claim(row, at)

    def release(self, person_id: str, item: str, token: str = "") -> None:
        """Let others have an item.

        :param token: only if this page opened it last. Without one, whichever page did.
        """
        with self._store.write() as session:
            _begin(session)
            for row in session.scalars(select(ClaimRow).where(ClaimRow.person_id == person_id)).all():
                if row.item == item and token in ("", row.token):
                    session.delete(row)

    def drop(self, claims: Iterable[Claim]) -> None:
        """End these claims of people who may no longer judge, unless they have changed since."""
        tokens = {each.token for each in claims}
        with self._store.write() as session:
            _begin(session)
            for row in session.scalars(select(ClaimRow).where(ClaimRow.token.in_(tokens))).all():
                session.delete(row)


def in_the_way(held: Iterable[Claim], work: Work, person_id: str) -> tuple[Claim, ...]:
    """Return the claims of others because of which a person can't have something; none if there is a place left."""
    others = tuple(each for each in held if each.subject == work.subject and each.person_id != person_id)
    return others if len(others) >= work.places else ()


def _begin(session: Session) -> tuple[datetime, tuple[Claim, ...]]:
    """Wait for other agents' claims to be committed, and forget those that are over."""
    take_turns(session, ClaimRow.__tablename__)
    at = moment(session)
    held = _held(session, at)
    tokens = {each.token for each in held}
    for row in session.scalars(select(ClaimRow)).all():
        if row.token not in tokens:
            session.delete(row)
    session.flush()
    return at, held


def _held(session: Session, at: datetime) -> tuple[Claim, ...]:
    rows = session.scalars(select(ClaimRow).order_by(ClaimRow.until, ClaimRow.token))
    return tuple(_claim(row, at) for row in rows if at < row.until <= at + LONGEST)


def _row(work: Work, person_id: str, token: str, until: datetime) -> ClaimRow:
    return ClaimRow(
        subject=work.subject,
        person_id=person_id,
        item=work.item,
        department=work.department,
        token=token,
        until=until,
    )


def _claim(row: ClaimRow, at: datetime) -> Claim:
    seconds = (row.until - at).total_seconds()
    return Claim(row.item, row.subject, row.department, row.person_id, row.token, row.until, seconds)
