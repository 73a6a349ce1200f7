"""Actions: what people confirm under answers, and what plugins then do, at most once.

A confirmed action is claimed in the database before the plugin is called, and no process ever calls it again: not after
a second click, a repeated delivery or a crash. Where nobody can say whether it happened, its state is ``unknown`` and
its text says so (docs/decisions/actions.md).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import BusyError, ForbiddenError, MenteeError, PluginError
from bot.domain.plugins.actions import RESULT_CHARACTERS, ActionResult, OfferedAction
from bot.feedback.action_rows import ActionRows, gone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextvars import Context

    from sqlalchemy.orm import Session

    from bot.access.rights import Rights
    from bot.domain.answers import Answer, Exchange
    from bot.domain.people import Audience, Person
    from bot.storage.history import History

AT_ONCE = 16
"""Actions that run at the same time in one process; further ones wait, still unclaimed."""

TOO_LATE = "This took too long. It may have happened; check before you try again."
WENT_WRONG = "Something went wrong while doing this. It may have happened; check before you try again."
BUSY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class CallAction(Protocol):
    """Calls the ``on_action`` of the plugin that offered an action.

    :raises PluginError: it has no result; the error says whether the plugin was called at all.
    """

    def __call__(
        self, offered: OfferedAction, person: Person, exchange: Exchange, late: Callable[[ActionResult], object]
    ) -> ActionResult:
        """Call it. ``late`` is told the result if it comes after this has raised."""


class CheckResult(Protocol):
    """Has what came of an action checked by the guards, and returns it as it may be shown."""

    def __call__(self, result: ActionResult, person: Person, exchange: Exchange) -> ActionResult:
        """Check it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The actions of answers: who may confirm which, and what came of it. Everything but :meth:`confirm` is blocking.

    :param call: calls the plugin.
    :param check: has its results checked.
    :param enabled: whether a plugin is on for a department.
    :param counting: returns a context, and a live count of the texts each plugin has the model write in it.
    """

    rows: ActionRows
    history: History
    rights: Rights
    call: CallAction
    check: CheckResult
    enabled: Callable[[str, str], bool]
    counting: Callable[[], tuple[Context, Mapping[str, int]]]
    _threads: ThreadPoolExecutor = field(init=False, default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "action"))

    def close(self) -> None:
        """Start no further action."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def offer(self, session: Session, answer: Answer, person: Person) -> None:
        """Store what a new answer offers to a person, inside the transaction that records the answer."""
        self.rows.add(session, answer.id, person.id, answer.actions)

    def of_answers(self, answer_ids: Collection[str]) -> dict[str, tuple[OfferedAction, ...]]:
        """Return the actions of answers, as they are now, by the answer's id. Answers without any are left out."""
        return self.rows.of_answers(answer_ids) if answer_ids else {}

    def of_answer(self, answer_id: str) -> tuple[OfferedAction, ...]:
        """Return the actions of an answer, as they are now."""
        return self.of_answers([answer_id]).get(answer_id, ())

    def answer_of(self, action_id: str) -> str:
        """Return the id of an action's answer.

        :raises NotFoundError: there is no such action.
        """
        _, _, answer_id = self.rows.get(action_id)
        return answer_id

    async def confirm(self, action_id: str, person: Person, audiences: Sequence[Audience]) -> OfferedAction:
        """Run :meth:`run` in a thread of its own pool: a plugin that hangs takes none from answers."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run, action_id, person, audiences)

    def run(self, action_id: str, person: Person, audiences: Sequence[Audience]) -> OfferedAction:
        """Do what a person confirms, and return the action with what came of it.

        An action that already runs or has ended is returned as it is, and nothing is done. If another action of the
        same answer was running, that one is returned.

        :param audiences: as whom the person may act where they confirm it: one of them must see the answer now.
        :raises NotFoundError: there is no such action.
        :raises ForbiddenError: somebody else asked, or the person may not see the answer any more.
        :raises MenteeError: the plugin is off.
        :raises BusyError: the plugin can't be called just now. The action stays on offer.
        """
        exchange = self._required(action_id, person, audiences)
        claim = self.rows.claim(action_id)
        if not claim.mine:
            return claim.offered
        context, completions = self.counting()
        return context.run(self._called, claim.offered, person, exchange, completions)

    def settle_overdue(self) -> None:
        """End actions whose process died, and offers that have expired."""
        self.rows.settle_overdue()

    def _required(self, action_id: str, person: Person, audiences: Iterable[Audience]) -> Exchange:
        offered, owner, answer_id = self.rows.get(action_id)
        if owner != person.id:
            raise ForbiddenError(
                "Only the person who asked can confirm this.", hint="Ask the question yourself to get your own offer."
            )
        exchange = self.history.of_answer(answer_id)
        if exchange is None:
            raise gone()
        if not any(self.rights.sight(audience).sees_answer(exchange.answer) for audience in audiences):
            raise ForbiddenError("You can no longer see this answer, so you can't confirm what it offers.")
        if offered.state == "offered" and not self.enabled(offered.plugin, exchange.answer.department):
            raise MenteeError(
                f"This can't be done now: the plugin {offered.plugin!r} is switched off.", hint="Ask an operator."
            )
        return exchange

    def _called(
        self, offered: OfferedAction, person: Person, exchange: Exchange, completions: Mapping[str, int]
    ) -> OfferedAction:
        def late(result: ActionResult) -> None:
            try:
                self._ended(offered, self.check(result, person, exchange), completions)
            except (SQLAlchemyError, MenteeError):
                log.exception("late_action_result_not_stored", action=offered.id, plugin=offered.plugin)

        try:
            result = self.call(offered, person, exchange, late)
        except PluginError as error:
            if not error.called:
                self.rows.give_back(offered.id)
                raise BusyError(
                    f"The plugin {offered.plugin!r} can't do this just now. Nothing was done.", retry_after=BUSY_SECONDS
                ) from error
            text = TOO_LATE if error.timed_out else WENT_WRONG
            return self.rows.end(offered.id, "unknown", text, completions=completions) or self._now(offered)
        return self._ended(offered, self.check(result, person, exchange), completions) or self._now(offered)

    def _ended(
        self, offered: OfferedAction, result: ActionResult, completions: Mapping[str, int]
    ) -> OfferedAction | None:
        offers = [OfferedAction(offered.plugin, each) for each in result.actions]
        text = result.text.strip()
        text = text if len(text) <= RESULT_CHARACTERS else f"{text[: RESULT_CHARACTERS - 1]}…"
        return self.rows.end(offered.id, "done" if result.ok else "failed", text, offers, completions)

    def _now(self, offered: OfferedAction) -> OfferedAction:
        found, _, _ = self.rows.get(offered.id)
        return found
