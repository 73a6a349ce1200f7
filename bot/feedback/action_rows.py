"""The rows of actions, and the only ways in which their state changes.

Every change locks all actions of the answer, in one order, so that of two clicks anywhere exactly one counts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bot.access.audit import note_change
from bot.domain.deliveries import OutboxItem
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import now
from bot.domain.plugins.actions import MOST_SECONDS, Action, OfferedAction
from bot.storage.clock import moment
from bot.storage.tables.actions import ActionRow
from bot.storage.tables.answers import AnswerRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.delivery.outbox import Outbox
    from bot.domain.plugins.actions import ActionState
    from bot.storage.session import Store

MOST_PER_ANSWER = 20
"""Actions under one answer, with those that results offer; further ones are left out."""

GRACE_SECONDS = 5.0
"""How long after its limit a running action is given up by others: its own process is sooner, unless it died."""

AT_ONCE = 100
"""Answers with overdue actions that are looked up together."""

INTERRUPTED = "I was interrupted while doing this. It may have happened; check before you try again."
EXPIRED = "This offer has expired. Ask again to get a new one."
CANCELLED = "You chose something else instead."
ACTION = "action"
"""Kind of the outbox item that tells a channel how an action under one of its answers ended."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An action that somebody wants to confirm.

    :param mine: whether it is now this caller's to run. Otherwise it has ended, or somebody else runs it.
    """

    offered: OfferedAction
    mine: bool


class ActionRows:
    """Reads and changes the actions of answers. Everything here is blocking.

    :param seconds: time limit of a running action.
    """

    def __init__(self, store: Store, outbox: Outbox, seconds: float) -> None:
        self._store = store
        self._outbox = outbox
        self._seconds = seconds

    def add(self, session: Session, answer_id: str, person_id: str, offers: Iterable[OfferedAction]) -> None:
        """Store what is offered to a person under an answer, inside the caller's transaction."""
        counted = select(func.count()).where(ActionRow.answer_id == answer_id)
        first = session.scalars(counted).one()
        for number, each in enumerate(offers, first):
            if number < MOST_PER_ANSWER:
                session.add(_row(each, answer_id, person_id, number))

    def of_answers(self, answer_ids: Collection[str]) -> dict[str, tuple[OfferedAction, ...]]:
        """Return the actions of these answers, as they are now, in the order in which they were offered."""
        found: dict[str, list[OfferedAction]] = defaultdict(list)
        with self._store.read() as session:
            rows = session.scalars(
                select(ActionRow).where(ActionRow.answer_id.in_(answer_ids)).order_by(ActionRow.number)
            ).all()
            for row in rows:
                found[row.answer_id].append(_offered(row, _state_now(session, row)))
        return {answer_id: tuple(each) for answer_id, each in found.items()}

    def get(self, action_id: str) -> tuple[OfferedAction, str, str]:
        """Return an action as it is now, the id of who may confirm it, and the id of its answer.

        :raises NotFoundError: there is none.
        """
        with self._store.read() as session:
            row = _required(session, action_id)
            return _offered(row, _state_now(session, row)), row.person_id, row.answer_id

    def claim(self, action_id: str) -> Claim:
        """Set an offered action to running, unless it is too late or another one of its answer is running.

        :raises NotFoundError: it has been erased.
        """
        with self._store.write() as session:
            rows = self._locked(session, _required(session, action_id).answer_id)
            row = next((each for each in rows if each.id == action_id), None)
            if row is None:
                raise gone()
            self._settle(session, rows)
            running = next((each for each in rows if each.state == "running"), None)
            if running is not None or row.state != "offered":
                return Claim(_offered(running or row), mine=False)
            row.state, row.started_at = "running", now()
            row.due_at = moment(session) + timedelta(seconds=self._seconds + GRACE_SECONDS)
            _note(session, row, "action.run")
            return Claim(_offered(row), mine=True)

    def give_back(self, action_id: str) -> None:
        """Offer a claimed action again: it was never begun."""
        with self._store.write() as session:
            row = session.get(ActionRow, action_id, with_for_update=True)
            if row is not None and row.state == "running":
                row.state, row.started_at, row.due_at = "offered", None, None
                _note(session, row, "action.give_back")

    def end(
        self,
        action_id: str,
        state: ActionState,
        text: str,
        offers: Sequence[OfferedAction] = (),
        completions: Mapping[str, int] | None = None,
    ) -> OfferedAction | None:
        """End a running action, or record a late result of one that was given up; ``None`` if it has already ended.

        :param completions: how many texts plugins had the model write for it, for the audit log.
        """
        with self._store.write() as session:
            row = session.get(ActionRow, action_id)
            if row is None:
                return None
            rows = self._locked(session, row.answer_id)
            late = row.state == "unknown" and state in ("done", "failed")
            if row.state != "running" and not late:
                return None
            _end(row, state, text)
            self._follow(session, row, rows, completions or {})
            if state in ("done", "failed"):
                self.add(session, row.answer_id, row.person_id, offers)
            return _offered(row)

    def settle_overdue(self) -> None:
        """End actions whose process died, and offers that have expired."""
        while answers := self._overdue():
            for answer_id in answers:
                with self._store.write() as session:
                    self._settle(session, self._locked(session, answer_id))

    def _overdue(self) -> list[str]:
        """Return some answers with actions to end. Mostly there are none, and nothing is written."""
        with self._store.read() as session:
            died = (ActionRow.state == "running") & (ActionRow.due_at < moment(session))
            expired = (ActionRow.state == "offered") & (ActionRow.expires_at < now())
            return list(session.scalars(select(ActionRow.answer_id).where(died | expired).distinct().limit(AT_ONCE)))

    def _locked(self, session: Session, answer_id: str) -> Sequence[ActionRow]:
        """Lock and read anew the actions of an answer."""
        these = select(ActionRow).where(ActionRow.answer_id == answer_id).order_by(ActionRow.number)
        return session.scalars(these.with_for_update().execution_options(populate_existing=True)).all()

    def _settle(self, session: Session, rows: Sequence[ActionRow]) -> None:
        """End what is overdue among the actions of an answer."""
        for row in rows:
            state = _state_now(session, row)
            if state == row.state:
                continue
            if state == "expired":
                _end(row, "expired", EXPIRED)
            else:
                _end(row, "unknown", INTERRUPTED)
                self._follow(session, row, rows, {})

    def _follow(
        self, session: Session, row: ActionRow, rows: Sequence[ActionRow], completions: Mapping[str, int]
    ) -> None:
        """Note how an action ended, cancel those that are still on offer beside it, and update the shown answers."""
        _note(session, row, f"action.{row.state}", completions)
        for other in rows:
            if other.state == "offered":
                _end(other, "cancelled", CANCELLED)
        answer = session.get_one(AnswerRow, row.answer_id)
        question = session.get_one(QuestionRow, answer.question_id)
        for entry in self._outbox.of_questions(session, [question.id]):
            shown = entry.item
            if shown.answer_id == row.answer_id and shown.kind == "answer":
                told = {"text": row.result, "action_id": row.id, "answer_id": row.answer_id, "delivery": shown.id}
                item = OutboxItem(shown.channel, ACTION, shown.address, told, answer_id=row.answer_id)
                self._outbox.add(session, item, lane=question.place)


def _row(offered: OfferedAction, answer_id: str, person_id: str, number: int) -> ActionRow:
    action = offered.action
    return ActionRow(
        id=offered.id,
        answer_id=answer_id,
        number=number,
        plugin=offered.plugin,
        name=action.name,
        label=action.label,
        style=action.style,
        confirm=action.confirm,
        payload=dict(action.payload),
        person_id=person_id,
        offered_at=offered.offered_at,
        expires_at=offered.expires_at,
    )


def _offered(row: ActionRow, state: ActionState | None = None) -> OfferedAction:
    lasts = (row.expires_at - row.offered_at).total_seconds()
    action = Action(
        row.name,
        row.label,
        row.payload,
        row.style,  # type: ignore[arg-type] # the constraint allows only these
        row.confirm,
        min(max(lasts, 1.0), MOST_SECONDS),
    )
    found: Any = state or row.state
    text = {"expired": EXPIRED, "unknown": INTERRUPTED}.get(found, "") if found != row.state else row.result
    return OfferedAction(row.plugin, action, row.id, row.offered_at, found, text)


def _state_now(session: Session, row: ActionRow) -> Any:
    """Return an action's state; nobody may have written yet that its time is over."""
    if row.state == "offered" and row.expires_at < now():
        return "expired"
    if row.state == "running" and row.due_at is not None and row.due_at < moment(session):
        return "unknown"
    return row.state


def _end(row: ActionRow, state: ActionState, text: str) -> None:
    row.state, row.result, row.ended_at, row.due_at = state, text, now(), None
    row.payload = {}


def _note(session: Session, row: ActionRow, action: str, completions: Mapping[str, int] | None = None) -> None:
    detail: dict[str, Any] = {"plugin": row.plugin, "action": row.name, "answer": row.answer_id}
    if completions:
        detail |= {"completions": dict(completions), "adapter": None}  # plugins use the base model
    note_change(session, actor=row.person_id, action=action, subject=row.id, detail=detail)


def _required(session: Session, action_id: str) -> ActionRow:
    row = session.get(ActionRow, action_id)
    if row is None:
        raise gone()
    return row


def gone() -> NotFoundError:
    """Return what is said about an action that isn't there."""
    return NotFoundError("There is no such action; its answer may have been erased.", hint="Ask again.")
