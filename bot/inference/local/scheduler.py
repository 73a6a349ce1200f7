"""Schedules answers: a bounded queue that is fair between departments, and one thread that runs the model.

Sequences join the running batch between two steps and leave when they end (continuous batching), so nobody waits for a
stranger's long answer. Long prompts are read in chunks, one per step, while running answers go on. No tensors here.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import structlog

from bot.domain.errors import BusyError, EngineError, MenteeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.generation import AdapterRef
    from bot.inference.local.sequences import Backend, GenerationSequence, Runner

MAX_RUNNING = 16
"""Sequences that run together."""

WINDOW_SECONDS = 0.005
"""How long an idle engine waits for questions that arrive together."""

log = structlog.get_logger(__name__)


class Scheduler:
    """Runs sequences on a :class:`bot.inference.local.sequences.Runner` in a thread of its own.

    :param queue: sequences that may wait; one more raises :class:`bot.domain.errors.BusyError`.
    :param seconds: time limit for generating an answer, and for waiting in the queue before that.
    """

    def __init__(self, runner: Runner, *, queue: int, seconds: float, max_running: int = MAX_RUNNING) -> None:
        self._runner = runner
        self.backend: Backend
        self._limit = queue
        self._seconds = seconds
        self._max_running = max_running
        self._waiting: dict[str, deque[GenerationSequence]] = {}
        self._active: list[GenerationSequence] = []
        self._turns: list[str] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._usual_seconds = 2.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the model in the scheduler's thread; return when it is loaded, or raise what loading raised.

        A scheduler that is running stays as it is: two threads on one model would free its memory twice.
        """
        if self._thread is not None:
            return
        loaded = threading.Event()
        problems: list[Exception] = []

        def run() -> None:
            try:
                self.backend = self._runner.load()
            except Exception as error:  # noqa: BLE001 - handed to the caller of start()
                problems.append(error)
                self._stopping = True
            loaded.set()
            self._run()
            if not problems:
                del self.backend
            self._runner.close()

        self._stopping = False
        self._thread = threading.Thread(target=run, name="engine", daemon=True)
        self._thread.start()
        loaded.wait()
        if problems:
            self._thread = None
            raise problems[0]

    def stop(self) -> None:
        """End all running and waiting sequences; return when the model is freed."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread:
            self._thread.join()
            self._thread = None

    def submit(self, sequence: GenerationSequence) -> None:
        """Queue a sequence.

        :raises BusyError: the queue is full.
        :raises EngineError: the engine is not running.
        """
        with self._changed:
            self.check_room()
            self._waiting.setdefault(sequence.department, deque()).append(sequence)
            self._changed.notify()

    def check_room(self) -> None:
        """Raise what :meth:`submit` would raise now."""
        if self._stopping or self._thread is None:
            raise EngineError("The engine is not running.", hint="Try again once Mentee has started.")
        if self.waiting >= self._limit:
            raise BusyError(f"{self.waiting} questions are already waiting.", retry_after=self._wait_estimate())

    def cancel(self, sequence: GenerationSequence) -> None:
        """Cancel a sequence: at once if it is waiting, before the next step if it is running."""
        sequence.cancelled = True
        with self._changed:
            if sequence in self._waiting.get(sequence.department, ()):
                self._waiting[sequence.department].remove(sequence)

    async def load_adapter(self, ref: AdapterRef) -> Any:
        """Return a value for :attr:`GenerationSequence.loaded_adapter`, loading it while other answers go on.

        :raises ArtifactError: it is refused.
        :raises EngineError: the engine is not running.
        """
        self.check_room()
        adapters = self.backend.adapters
        loaded = adapters.get(ref)
        return loaded if loaded is not None else await asyncio.to_thread(adapters.load, ref)

    @property
    def waiting(self) -> int:
        """Number of sequences in the queue."""
        return sum(map(len, self._waiting.values()))

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception as error:
                # Whatever the model raises ends these answers, never the thread that serves the others.
                log.exception("engine_step_failed", sequences=len(self._active))
                self._fail(list(self._active), EngineError(f"The engine failed: {type(error).__name__}: {error}"))
        with self._changed:
            left = [*self._active, *(sequence for queue in self._waiting.values() for sequence in queue)]
            self._waiting.clear()
        self._fail(left, EngineError("The engine was stopped.", hint="Try again once Mentee has restarted."))

    def _turn(self) -> None:
        """Admit waiting sequences, take one step, and drop those that ended."""
        self._admit()
        self._drop([sequence for sequence in self._active if sequence.cancelled])
        if not self._active:
            return
        work = self._plan()
        results = self.backend.step(work)
        for (sequence, _), tokens in zip(work, results, strict=True):
            if not all(self._advance(sequence, token) for token in tokens):
                self._drop([sequence])

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._active or self.waiting):
                self._changed.wait()
            idle = not self._active
        if idle and not self._stopping:
            time.sleep(WINDOW_SECONDS)
        return not self._stopping

    def _admit(self) -> None:
        """Admit as many waiting sequences as there is room for."""
        while len(self._active) < self._max_running:
            with self._changed:
                sequence = self._next()
            if sequence is None or not self._admit_one(sequence):
                return

    def _next(self) -> GenerationSequence | None:
        """Take the next waiting sequence, round robin between departments."""
        for department in list(self._waiting):
            queue = self._waiting.pop(department)
            if queue:
                # Moved to the end: each department has its turn before any has its second.
                self._waiting[department] = queue
                return queue.popleft()
        return None

    def _admit_one(self, sequence: GenerationSequence) -> bool:
        """Admit a sequence or end it with an error; return ``False``, having put it back, if there is no room now."""
        if sequence.cancelled:
            return True
        if (waited := time.monotonic() - sequence.queued_at) > self._seconds:
            problem = f"No answer could be begun within {waited:.0f} s."
            self._fail([sequence], BusyError(problem, retry_after=self._wait_estimate()))
            return True
        try:
            room = self.backend.admit(sequence)
        except MenteeError as error:
            self._fail([sequence], error)
            return True
        except Exception as error:
            log.exception("engine_adapter_failed", adapter=sequence.adapter and sequence.adapter.version)
            self._fail([sequence], EngineError(f"Can't use the adapter: {type(error).__name__}: {error}"))
            return True
        if room:
            sequence.started_at = time.monotonic()
            self._active.append(sequence)
            return True
        with self._changed:
            own = self._waiting.pop(sequence.department, deque())
            own.appendleft(sequence)
            self._waiting = {sequence.department: own, **self._waiting}
        return False

    def _plan(self) -> list[tuple[GenerationSequence, int]]:
        """Continue each answer whose prompt has been read, and read on in the others, round robin by department."""
        work = [(sequence, 0) for sequence in self._active if not sequence.unread]
        beside_answers, alone = self.backend.prefill_chunks
        budget = beside_answers if work else alone
        reading = [sequence for sequence in self._active if sequence.unread]
        self._turns = [name for name in self._turns if any(sequence.department == name for sequence in reading)]
        departments = dict.fromkeys(sequence.department for sequence in reading)
        self._turns += [name for name in departments if name not in self._turns]
        while budget > 0 and reading:
            department = self._turns.pop(0)
            self._turns.append(department)
            sequence = next((sequence for sequence in reading if sequence.department == department), None)
            if sequence is None:
                continue
            reading.remove(sequence)
            work.append((sequence, min(budget, sequence.unread)))
            budget -= sequence.unread
        return work

    def _advance(self, sequence: GenerationSequence, token: int | None) -> bool:
        """Give a sequence its next token; return whether it goes on."""
        if sequence.cancelled:
            return False
        if token is None:
            sequence.send(EngineError("The model computed NaN or infinity, so there is no answer."))
            return False
        if token not in self._runner.ends:
            sequence.count += 1
            if piece := sequence.text.feed(token):
                sequence.send(piece)
            late = time.monotonic() - sequence.started_at > self._seconds
            if not sequence.text.stopped and sequence.count < sequence.limit and not late:
                return True
        if rest := sequence.text.rest():
            sequence.send(rest)
        sequence.send(None)
        self._usual_seconds += 0.1 * (time.monotonic() - sequence.started_at - self._usual_seconds)
        return False

    def _fail(self, sequences: Sequence[GenerationSequence], error: MenteeError) -> None:
        for sequence in sequences:
            sequence.send(error)
        try:
            self._drop(sequences)
        except Exception:
            log.exception("engine_release_failed", sequences=len(sequences))

    def _drop(self, sequences: Sequence[GenerationSequence]) -> None:
        for sequence in sequences:
            if sequence in self._active:
                self._active.remove(sequence)
                self.backend.release(sequence)

    def _wait_estimate(self) -> float:
        return float(max(1, math.ceil(self._usual_seconds * (1 + self.waiting / self._max_running))))
