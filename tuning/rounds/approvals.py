"""An operator's decision on a round that waits for one. The decision and what it changes are one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.errors import MenteeError
from bot.storage.tables.training import AdapterRow
from tuning.rounds.champions import locked_champion
from tuning.rounds.store import check_waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.tables.training import RoundRow
    from tuning.rounds.registry import Registry
    from tuning.rounds.store import RoundStore


class Approvals:
    """Approves and rejects the adapters of rounds. Of two decisions on one round, the first stands. All blocking.

    :param answering: returns the adapter that answers for a department now, ``None`` for the base model.
    """

    def __init__(self, rounds: RoundStore, registry: Registry, answering: Callable[[str], str | None]) -> None:
        self._rounds = rounds
        self._registry = registry
        self._answering = answering

    def approve(self, round_id: str, *, actor: str) -> RoundRow:
        """Let a round's adapter go live and return the round.

        :raises MenteeError: the round doesn't wait for a decision, or was compared with another champion.
        :raises ArtifactError: the adapter is not sound, or learned from data that was erased; the round still waits.
        """
        row = self._rounds.get(round_id)
        check_waiting(row)
        assert row.adapter is not None, "a round without an adapter doesn't wait"
        over = self._registry.champion(row.department)
        answering = self._answering(row.department)
        if answering not in {row.champion, row.adapter}:
            raise MenteeError(
                f"Round {round_id} was compared with {row.champion or 'the base model'}, "
                f"but {answering or 'the base model'} answers now.",
                hint=f"`mentee round reject {round_id}`, and start a new round.",
            )
        self._registry.check(row.department, row.adapter)
        with self._rounds.deciding(round_id, "approved", actor=actor) as session:
            reason = f"{row.reason} Approved by {actor}."
            self._registry.promote_within(session, row.department, row.adapter, over=over, actor=actor, reason=reason)
        self._registry.forget()
        return row

    def reject(self, round_id: str, *, actor: str) -> None:
        """Keep a round's adapter out.

        :raises MenteeError: the round doesn't wait for a decision, or its adapter is live already.
        """
        row = self._rounds.get(round_id)
        check_waiting(row)
        with self._rounds.deciding(round_id, "rejected", actor=actor) as session:
            if locked_champion(session, row.department) == row.adapter:
                raise MenteeError(
                    f"Adapter {row.adapter} of round {round_id} is live already: somebody promoted it.",
                    hint=f"`mentee adapters rollback --department {row.department}` takes it back.",
                )
            session.get_one(AdapterRow, row.adapter).state = "refused"
