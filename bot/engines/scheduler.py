"""Who is answered when: a bounded, fair queue and one thread that alone touches the model.

Answers join the running ones between two steps and leave when they end, so nobody waits for a stranger's long answer. A
long prompt is read in pieces, one a step, so the answers that run go on meanwhile. Knows no tensors.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bot.errors import BusyError, EngineError, MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.engines.shelf import Shelf
    from bot.engines.text import TokenText
    from bot.protocols import AdapterRef

MAX_ROWS = 16
"""Rows decoded together."""

WINDOW_SECONDS = 0.005
"""How long an idle engine waits for questions that come together."""

log = structlog.get_logger(__name__)

Piece = str | MenteeError | None


@dataclass(slots=True, eq=False)
class Job:
    """One answer in the making.

    :param prompt: token ids.
    :param limit: most tokens to generate.
    :param text: turns tokens into text that may be shown.
    :param send: takes pieces of text, then ``None`` at the end or the error; called from the scheduler's thread.
    :param fetched: the adapter from the rows' shelf.
    :param reserved: a token, and the chance from which it may begin the answer.
    """

    prompt: Sequence[int]
    limit: int
    text: TokenText
    send: Callable[[Piece], None]
    department: str = ""
    adapter: AdapterRef | None = None
    fetched: Any = None
    temperature: float = 0.0
    seed: int = 0
    reserved: tuple[int, float] | None = None
    cancelled: bool = False
    unread: int = 0
    count: int = 0
    queued_at: float = field(default_factory=time.monotonic)
    started_at: float = 0.0


class Rows(Protocol):
    """Answers that a model is computing. Called from the scheduler's thread; the shelf from any.

    ``pieces`` are the prompt tokens to read in a step in which answers go on, whom more would hold up, and in a step in
    which none waits for its next token.
    """

    shelf: Shelf[Any]
    pieces: tuple[int, int]

    def admit(self, job: Job) -> bool:
        """Begin an answer and set ``job.unread`` to its prompt's tokens still to read; ``False``: no room now."""

    def step(self, work: Sequence[tuple[Job, int]]) -> list[list[int | None]]:
        """Read up to so many prompt tokens of each job, or continue its answer where the number is 0.

        Takes what was read off ``job.unread``. Returns each job's new tokens, none while its prompt is not read to the
        end; ``None`` instead of a token says that its numbers broke.
        """

    def release(self, job: Job) -> None:
        """Let an answer go, at its end or before."""


class Runner(Protocol):
    """A model behind the scheduler. ``ends`` are the tokens that end an answer."""

    ends: frozenset[int]

    def load(self) -> Rows:
        """Load the model and return what computes."""

    def close(self) -> None:
        """Free the model."""


class Scheduler:
    """Runs jobs on a :class:`Runner` in a thread of its own.

    :param queue: jobs that may wait; one more raises :class:`bot.errors.BusyError`.
    :param seconds: how long one answer may be generated before it is cut, and how long a job may wait before that.
    """

    def __init__(self, runner: Runner, *, queue: int, seconds: float, max_rows: int = MAX_ROWS) -> None:
        self._runner = runner
        self.rows: Rows
        self._limit = queue
        self._seconds = seconds
        self._max_rows = max_rows
        self._waiting: dict[str, deque[Job]] = {}
        self._active: list[Job] = []
        self._turns: list[str] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._usual_seconds = 2.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the model in the scheduler's thread and return when it is loaded; raise what loading raised."""
        loaded = threading.Event()
        problems: list[Exception] = []

        def run() -> None:
            try:
                self.rows = self._runner.load()
            except Exception as error:  # noqa: BLE001 - handed to the caller of start()
                problems.append(error)
                self._stopping = True
            loaded.set()
            self._run()
            if not problems:
                del self.rows
            self._runner.close()

        self._stopping = False
        self._thread = threading.Thread(target=run, name="engine", daemon=True)
        self._thread.start()
        loaded.wait()
        if problems:
            self._thread = None
            raise problems[0]

    def stop(self) -> None:
        """End what runs and what waits, and return when the model is freed."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread:
            self._thread.join()
            self._thread = None

    def submit(self, job: Job) -> None:
        """Queue a job.

        :raises BusyError: the queue is full.
        :raises EngineError: the engine is not running.
        """
        with self._changed:
            self.check_room()
            self._waiting.setdefault(job.department, deque()).append(job)
            self._changed.notify()

    def check_room(self) -> None:
        """Raise what :meth:`submit` would raise now."""
        if self._stopping or self._thread is None:
            raise EngineError("The engine is not running.", hint="Try again when Mentee has started.")
        if self.waiting >= self._limit:
            raise BusyError(f"{self.waiting} questions are waiting already.", retry_after=self._wait_estimate())

    def cancel(self, job: Job) -> None:
        """Let a job go: at once when it waits, before the next step when it runs."""
        job.cancelled = True
        with self._changed:
            if job in self._waiting.get(job.department, ()):
                self._waiting[job.department].remove(job)

    async def fetch(self, ref: AdapterRef) -> Any:
        """Return an adapter for :attr:`Job.fetched`; files are read and checked aside, so the answers that run go on.

        :raises ArtifactError: it is refused.
        :raises EngineError: the engine is not running.
        """
        self.check_room()
        shelf = self.rows.shelf
        ready = shelf.ready(ref)
        return ready if ready is not None else await asyncio.to_thread(shelf.fetch, ref)

    @property
    def waiting(self) -> int:
        """Return the number of jobs in the queue."""
        return sum(map(len, self._waiting.values()))

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception as error:
                # Whatever the model raises ends these answers, never the thread that serves all others.
                log.exception("engine_step_failed", rows=len(self._active))
                self._fail(list(self._active), EngineError(f"The engine failed: {type(error).__name__}: {error}"))
        with self._changed:
            left = [*self._active, *(job for queue in self._waiting.values() for job in queue)]
            self._waiting.clear()
        self._fail(left, EngineError("The engine was stopped.", hint="Try again when Mentee has started again."))

    def _turn(self) -> None:
        """Begin what there is room for, take one step, and end what has ended."""
        self._admit()
        self._drop([job for job in self._active if job.cancelled])
        if not self._active:
            return
        work = self._plan()
        results = self.rows.step(work)
        for (job, _), tokens in zip(work, results, strict=True):
            if not all(self._advance(job, token) for token in tokens):
                self._drop([job])

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._active or self.waiting):
                self._changed.wait()
            idle = not self._active
        if idle and not self._stopping:
            time.sleep(WINDOW_SECONDS)
        return not self._stopping

    def _admit(self) -> None:
        """Begin waiting jobs, as many as there is room for."""
        while len(self._active) < self._max_rows:
            with self._changed:
                job = self._next()
            if job is None or not self._begun(job):
                return

    def _next(self) -> Job | None:
        """Take the next job in turn between departments."""
        for department in list(self._waiting):
            queue = self._waiting.pop(department)
            if queue:
                # To the end of the order: each department has its turn before one has its second.
                self._waiting[department] = queue
                return queue.popleft()
        return None

    def _begun(self, job: Job) -> bool:
        """Begin a job, or end it with an error; return ``False``, having put it back, when there is no room now."""
        if job.cancelled:
            return True
        if (waited := time.monotonic() - job.queued_at) > self._seconds:
            problem = f"No answer could be begun within {waited:.0f} s."
            self._fail([job], BusyError(problem, retry_after=self._wait_estimate()))
            return True
        try:
            room = self.rows.admit(job)
        except MenteeError as error:
            self._fail([job], error)
            return True
        except Exception as error:
            log.exception("engine_adapter_failed", adapter=job.adapter and job.adapter.version)
            self._fail([job], EngineError(f"The adapter cannot be served: {type(error).__name__}: {error}"))
            return True
        if room:
            job.started_at = time.monotonic()
            self._active.append(job)
            return True
        with self._changed:
            own = self._waiting.pop(job.department, deque())
            own.appendleft(job)
            self._waiting = {job.department: own, **self._waiting}
        return False

    def _plan(self) -> list[tuple[Job, int]]:
        """Continue every answer whose prompt is read, and read on, department after department."""
        work = [(job, 0) for job in self._active if not job.unread]
        beside, alone = self.rows.pieces
        budget = beside if work else alone
        reading = [job for job in self._active if job.unread]
        self._turns = [name for name in self._turns if any(job.department == name for job in reading)]
        self._turns += dict.fromkeys(job.department for job in reading if job.department not in self._turns)
        while budget > 0 and reading:
            department = self._turns.pop(0)
            self._turns.append(department)
            job = next((job for job in reading if job.department == department), None)
            if job is None:
                continue
            reading.remove(job)
            work.append((job, min(budget, job.unread)))
            budget -= job.unread
        return work

    def _advance(self, job: Job, token: int | None) -> bool:
        """Give a job its next token and return whether it goes on."""
        if job.cancelled:
            return False
        if token is None:
            job.send(EngineError("The model's numbers are not finite, so there is no answer."))
            return False
        if token not in self._runner.ends:
            job.count += 1
            if piece := job.text.feed(token):
                job.send(piece)
            late = time.monotonic() - job.started_at > self._seconds
            if not job.text.stopped and job.count < job.limit and not late:
                return True
        if rest := job.text.rest():
            job.send(rest)
        job.send(None)
        self._usual_seconds += 0.1 * (time.monotonic() - job.started_at - self._usual_seconds)
        return False

    def _fail(self, jobs: Sequence[Job], error: MenteeError) -> None:
        for job in jobs:
            job.send(error)
        try:
            self._drop(jobs)
        except Exception:
            log.exception("engine_release_failed", rows=len(jobs))

    def _drop(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job in self._active:
                self._active.remove(job)
                self.rows.release(job)

    def _wait_estimate(self) -> float:
        return float(max(1, math.ceil(self._usual_seconds * (1 + self.waiting / self._max_rows))))
