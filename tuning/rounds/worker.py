"""The worker: leases rounds, keeps the leases alive, and runs the stages.

No model is loaded in this process. Stages that need one use a child process (:mod:`tuning.rounds.processes`).
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from bot.observability.repeats import Repeats
from tuning.rounds.stages import StoppedError
from tuning.rounds.store import NotHeldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.tables.training import RoundRow
    from tuning.rounds.stages import Stages
    from tuning.rounds.store import RoundStore

TICK_SECONDS = 0.5
BEATS = 3
"""Heartbeats per lease."""

log = structlog.get_logger(__name__)


class RoundWorker:
    """Runs rounds in this process, one at a time.

    :param stages: creates the stages of a round, given its id and a function that says whether to stop.
    :param drain_seconds: how long :meth:`shut_down` may take. A stage that doesn't stop by then is abandoned, and its
        round continues elsewhere when the lease expires.
    """

    name = "rounds"

    def __init__(
        self,
        rounds: RoundStore,
        stages: Callable[[str, Callable[[], bool]], Stages],
        *,
        drain_seconds: float = 20.0,
    ) -> None:
        self._rounds = rounds
        self._stages = stages
        self._drain_seconds = drain_seconds
        self._stopping = threading.Event()
        self._left = threading.Event()
        self._round: str | None = None
        beat = self._rounds.lease_seconds / BEATS
        self._working = self._thread("rounds", self._work, self._stopping, TICK_SECONDS)
        self._beating = self._thread("rounds-heartbeat", self._beat, self._left, beat)

    def launch(self) -> None:
        """Start the threads that work and that send heartbeats."""
        self._rounds.beat(None)
        self._beating.start()
        self._working.start()

    def shut_down(self) -> None:
        """Stop. A running round is put back into the queue, to be continued where it is."""
        self._stopping.set()
        self._working.join(self._drain_seconds)
        self._left.set()
        self._beating.join(TICK_SECONDS)
        self._rounds.leave()

    async def start(self) -> None:
        """Start as a service; see :meth:`launch`."""
        await asyncio.to_thread(self.launch)

    async def stop(self) -> None:
        """Stop as a service; see :meth:`shut_down`."""
        await asyncio.to_thread(self.shut_down)

    @staticmethod
    def _thread(name: str, turn: Callable[[], None], end: threading.Event, seconds: float) -> threading.Thread:
        repeats = Repeats()

        def repeat() -> None:
            while not end.wait(seconds):
                try:
                    turn()
                except Exception as error:  # the database may be away for a while; the next turn is soon
                    if repeats.is_news(error):
                        log.exception("round_worker_failed")

        return threading.Thread(target=repeat, name=name, daemon=True)

    def _beat(self) -> None:
        self._rounds.beat(self._round)

    def _work(self) -> None:
        row = self._rounds.take()
        if row is None:
            return
        if row.interruptions:
            log.warning("round_taken_up", round=row.id, interruptions=row.interruptions)
        self._round = row.id
        try:
            self._carry(row)
        finally:
            self._round = None

    def _carry(self, row: RoundRow) -> None:
        stages = self._stages(row.id, self._stopping.is_set)
        try:
            stages.carry(row.results)
        except StoppedError:
            with suppress(NotHeldError):
                self._rounds.give_back(row.id)
        except NotHeldError:
            log.warning("round_left", round=row.id)
            if self._rounds.get(row.id).state == "cancelled":
                stages.announce("cancelled")
        except Exception as error:
            log.exception("round_worker_failed", round=row.id)
            with suppress(NotHeldError):
                self._rounds.strike(row.id, f"{type(error).__name__}: {error}")
