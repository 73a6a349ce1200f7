"""Who is answered when: a bounded, fair queue and one thread that alone touches the model.

Rows join the running batch between two decoding steps and leave it when they end, so nobody waits for a stranger's long
answer, and sixteen questions at once take far less than sixteen times as long as one. Knows no tensors.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from bot.errors import BusyError, EngineError, MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.engines.text import TokenText
    from bot.protocols import AdapterRef

MAX_ROWS = 16
"""Rows decoded together."""

PREFILL_TOKENS = 4096
"""Prompt tokens (padding included) read between two steps; longer readings would hold up the answers that run."""

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
    """

    prompt: Sequence[int]
    limit: int
    text: TokenText
    send: Callable[[Piece], None]
    department: str = ""
    adapter: AdapterRef | None = None
    temperature: float = 0.0
    seed: int = 0
    cancelled: bool = False
    count: int = 0
    queued_at: float = field(default_factory=time.monotonic)
    started_at: float = 0.0


class Runner(Protocol):
    """Model code behind the scheduler; called from its thread only. ``ends`` are the tokens that end an answer."""

    ends: frozenset[int]

    def load(self) -> None:
        """Load the model."""

    def prepare(self, job: Job, running: Sequence[Job]) -> None:
        """Make the job's adapter ready, or raise :class:`bot.errors.MenteeError`."""

    def add(self, jobs: Sequence[Job]) -> list[int | None]:
        """Read prompts into new rows at the end; return each one's first token, ``None`` if its numbers broke."""

    def step(self, tokens: Sequence[int]) -> list[int | None]:
        """Append one token to each row and return the next ones."""

    def keep(self, rows: Sequence[int]) -> None:
        """Let all other rows go."""

    def close(self) -> None:
        """Free the model."""


class Scheduler:
    """Runs jobs on a :class:`Runner` in a thread of its own.

    :param queue: jobs that may wait; one more raises :class:`bot.errors.BusyError`.
    :param seconds: how long one answer may be generated before it is cut, and how long a job may wait before that.
    """

    def __init__(self, runner: Runner, *, queue: int, seconds: float, max_rows: int = MAX_ROWS) -> None:
        self._runner = runner
        self._limit = queue
        self._seconds = seconds
        self._max_rows = max_rows
        self._waiting: dict[str, deque[Job]] = {}
        self._active: list[Job] = []
        self._tokens: list[int] = []
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
                self._runner.load()
            except Exception as error:  # noqa: BLE001 - handed to the caller of start()
                problems.append(error)
                self._stopping = True
            loaded.set()
            self._run()
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
            if self._stopping or self._thread is None:
                raise EngineError("The engine is not running.", hint="Try again when Mentee has started.")
            if self.waiting >= self._limit:
                raise BusyError(f"{self.waiting} questions are waiting already.", retry_after=self._wait_estimate())
            self._waiting.setdefault(job.department, deque()).append(job)
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Let a job go: at once when it waits, before the next step when it runs."""
        job.cancelled = True
        with self._changed:
            if job in self._waiting.get(job.department, ()):
                self._waiting[job.department].remove(job)

    @property
    def waiting(self) -> int:
        """Return the number of jobs in the queue."""
        return sum(map(len, self._waiting.values()))

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._admit()
                if self._active:
                    self._take(self._runner.step(self._tokens))
            except Exception as error:
                # Whatever the model raises ends these answers, never the thread that serves all others.
                log.exception("engine_step_failed", rows=len(self._active))
                self._fail(self._active, EngineError(f"The engine failed: {type(error).__name__}: {error}"))
                self._runner.keep([])
        with self._changed:
            left = [*self._active, *(job for queue in self._waiting.values() for job in queue)]
            self._waiting.clear()
        self._fail(left, EngineError("The engine was stopped.", hint="Try again when Mentee has started again."))

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._active or self.waiting):
                self._changed.wait()
            idle = not self._active
        if idle and not self._stopping:
            time.sleep(WINDOW_SECONDS)
        return not self._stopping

    def _admit(self) -> None:
        """Move waiting jobs into the batch, as many as there is room and reading time for."""
        group: list[Job] = []
        with self._changed:
            while len(self._active) + len(group) < self._max_rows and (job := self._next(group)):
                group.append(job)
        ready = [job for job in group if self._prepared(job, group)]
        if not ready:
            return
        try:
            tokens = self._runner.add(ready)
        except Exception as error:
            log.exception("engine_prefill_failed", rows=len(ready))
            self._fail(ready, EngineError(f"The engine failed: {type(error).__name__}: {error}"))
            self._runner.keep(range(len(self._active)))
            return
        self._active += ready
        self._take([*self._tokens, *tokens], since=len(self._tokens))

    def _next(self, group: Sequence[Job]) -> Job | None:
        """Take the next job in turn between departments, unless reading it along with the group would take too long."""
        for department in list(self._waiting):
            queue = self._waiting[department]
            if not queue:
                del self._waiting[department]
                continue
            longest = max(len(job.prompt) for job in (*group, queue[0]))
            if group and longest * (len(group) + 1) > PREFILL_TOKENS:
                return None
            # To the end of the order: each department has its turn before one has its second.
            self._waiting[department] = self._waiting.pop(department)
            return queue.popleft()
        return None

    def _prepared(self, job: Job, group: Sequence[Job]) -> bool:
        if job.cancelled:
            return False
        if (waited := time.monotonic() - job.queued_at) > self._seconds:
            problem = f"No answer could be begun within {waited:.0f} s."
            self._fail([job], BusyError(problem, retry_after=self._wait_estimate()))
            return False
        try:
            self._runner.prepare(job, [*self._active, *group])
        except MenteeError as error:
            self._fail([job], error)
            return False
        except Exception as error:
            log.exception("engine_adapter_failed", adapter=job.adapter and job.adapter.version)
            self._fail([job], EngineError(f"The adapter cannot be served: {type(error).__name__}: {error}"))
            return False
        job.started_at = time.monotonic()
        return True

    def _take(self, tokens: Sequence[int | None], since: int = 0) -> None:
        """Hand out the new tokens of the rows from ``since`` on, and let ended rows go."""
        new = range(since, len(self._active))
        going = [*range(since), *(row for row in new if self._advance(self._active[row], tokens[row]))]
        if len(going) < len(self._active):
            self._runner.keep(going)
        self._active = [self._active[row] for row in going]
        self._tokens = [token for row in going if (token := tokens[row]) is not None]

    def _advance(self, job: Job, token: int | None) -> bool:
        """Give a job its next token and return whether it goes on."""
        if job.cancelled:
            return False
        if token is None:
            self._fail([job], EngineError("The model's numbers are not finite, so there is no answer."))
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
        self._active = [job for job in self._active if job not in jobs]
        if not self._active:
            self._tokens = []

    def _wait_estimate(self) -> float:
        return float(max(1, math.ceil(self._usual_seconds * (1 + self.waiting / self._max_rows))))
