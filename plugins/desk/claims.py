"""Claims: an answer that an agent works on is held for them, so that no other agent does the same work.

A claim is for the answer, not for the item: two proposals for one answer are one piece of work. Each agent holds one
answer, the one they opened last, and those in other tabs that they are typing in.
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
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

LONGEST = timedelta(minutes=MOST_MINUTES + 1)
"""A claim that would last longer was made while the clock was wrong, and counts as over."""


@dataclass(frozen=True, slots=True)
class Work:
    """What can be claimed: an item of the queue, and the answer it is about."""

    item: str
    answer_id: str
    department: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An agent's hold on an answer.

    :param token: names the page that opened it; another page of the same agent has another.
    :param seconds: how long it lasts from now on.
    """

    item: str
    answer_id: str
    department: str
    person_id: str
    token: str
    until: datetime
    seconds: float


class HeldError(ConflictError):
    """Another agent holds the answer.

    :param claim: theirs.
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

    def held(self) -> Mapping[str, Claim]:
        """Return the claims that hold now, by answer."""
        with self._store.read() as session:
            return _held(session, moment(session))

    def take_first(self, person_id: str, wanted: Sequence[Work]) -> Claim | None:
        """Claim the first of these that nobody else holds, and release what the person held before.

        Of two agents who ask at the same moment, each gets another one. Return ``None`` if all are held.
        """
        minutes = {each.department: self._minutes(each.department) for each in wanted}
        with self._store.write() as session:
            at, held = _begin(session)
            free = (each for each in wanted if _is_free(held, each.answer_id, person_id))
            first = next(free, None)
            if first is None:
                return None
            for row in session.scalars(select(ClaimRow).where(ClaimRow.person_id == person_id)).all():
                session.delete(row)
            session.flush()
            row = _row(first, person_id, new_id("cl"), at + timedelta(minutes=minutes[first.department]))
            session.add(row)
            return _claim(row, at)

    def renew(self, person_id: str, work: Work) -> Claim:
        """Hold an answer for longer, or again if the claim ran out and nobody else took it.

        :raises HeldError: somebody else holds it.
        """
        minutes = self._minutes(work.department)
        with self._store.write() as session:
            at, held = _begin(session)
            if not _is_free(held, work.answer_id, person_id):
                raise HeldError(held[work.answer_id])
            own = held.get(work.answer_id)
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
        with self._store.write() as session:
            _begin(session)
            for each in claims:
                row = session.get(ClaimRow, each.answer_id)
                if row is not None and row.token == each.token:
                    session.delete(row)


def _begin(session: Session) -> tuple[datetime, Mapping[str, Claim]]:
    """Wait for other agents' claims to be committed, and forget those that are over."""
    take_turns(session, ClaimRow.__tablename__)
    at = moment(session)
    held = _held(session, at)
    for row in session.scalars(select(ClaimRow)).all():
        if row.answer_id not in held:
            session.delete(row)
    session.flush()
    return at, held


def _held(session: Session, at: datetime) -> dict[str, Claim]:
    rows = session.scalars(select(ClaimRow))
    return {row.answer_id: _claim(row, at) for row in rows if at < row.until <= at + LONGEST}


def _is_free(held: Mapping[str, Claim], answer_id: str, person_id: str) -> bool:
    claim = held.get(answer_id)
    return claim is None or claim.person_id == person_id


def _row(work: Work, person_id: str, token: str, until: datetime) -> ClaimRow:
    return ClaimRow(
        answer_id=work.answer_id,
        item=work.item,
        department=work.department,
        person_id=person_id,
        token=token,
        until=until,
    )


def _claim(row: ClaimRow, at: datetime) -> Claim:
    seconds = (row.until - at).total_seconds()
    return Claim(row.item, row.answer_id, row.department, row.person_id, row.token, row.until, seconds)
