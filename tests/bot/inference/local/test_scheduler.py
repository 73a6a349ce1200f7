"""Who is answered when, with a runner that has no model."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ArtifactError, BusyError, EngineError
from bot.inference.local.detokenizer import TokenText
from bot.inference.local.scheduler import Scheduler
from bot.inference.local.sequences import GenerationSequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.inference.local.adapter_cache import AdapterCache
    from bot.inference.local.sequences import Piece

END = 0
CHUNK, LONG_CHUNK = 100, 300


class CountingRunner:
    """Answers each prompt with its first token, as often as the prompt is long, then ends. Is its own backend."""

    ends: frozenset[int] = frozenset({END})
    prefill_chunks = CHUNK, LONG_CHUNK
    adapters: AdapterCache[Any]

    def __init__(self) -> None:
        self.rows: dict[GenerationSequence, list[int]] = {}
        self.steps: list[list[tuple[GenerationSequence, int]]] = []
        self.places = 1000
        self.open = threading.Event()
        self.open.set()
        self.fail: Exception | None = None
        self.closed = False

    def load(self) -> CountingRunner:
        if isinstance(self.fail, OSError):
            raise self.fail
        return self

    def admit(self, sequence: GenerationSequence) -> bool:
        if sequence.prompt[0] == 13:
            raise ArtifactError("The adapter is bad.")
        if len(self.rows) >= self.places:
            return False
        self.rows[sequence] = [*sequence.prompt, END]
        sequence.unread = len(sequence.prompt)
        return True

    def step(self, work: Sequence[tuple[GenerationSequence, int]]) -> list[list[int | None]]:
        self.open.wait()
        if self.fail:
            raise self.fail
        self.steps.append(list(work))
        for sequence, count in work:
            assert bool(count) == bool(sequence.unread)
            sequence.unread -= count
        return [[] if sequence.unread else [self.rows[sequence].pop(0)] for sequence, _ in work]

    def release(self, sequence: GenerationSequence) -> None:
        del self.rows[sequence]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def runner() -> CountingRunner:
    return CountingRunner()


@pytest.fixture
def scheduler(runner: CountingRunner) -> Iterator[Scheduler]:
    scheduler = Scheduler(runner, queue=8, seconds=5, max_running=2)
    scheduler.start()
    yield scheduler
    runner.open.set()
    scheduler.stop()
    assert runner.closed


def sequence(
    prompt: Sequence[int], department: str = "", limit: int = 100
) -> tuple[GenerationSequence, queue.Queue[Piece]]:
    pieces: queue.Queue[Piece] = queue.Queue()
    made = GenerationSequence(
        prompt, limit, TokenText(lambda ids: "".join(chr(64 + i) for i in ids)), pieces.put, department=department
    )
    return made, pieces


def read(pieces: queue.Queue[Piece]) -> str:
    text = ""
    while (piece := pieces.get(timeout=5)) is not None:
        if isinstance(piece, Exception):
            raise piece
        text += piece
    return text


def test_rows_join_and_leave_a_running_batch(scheduler: Scheduler) -> None:
    made = [sequence([n] * n) for n in (3, 1, 5, 2, 4)]
    for each, _ in made:
        scheduler.submit(each)
    assert [read(pieces) for _, pieces in made] == ["CCC", "A", "EEEEE", "BB", "DDDD"]


def test_departments_take_turns(scheduler: Scheduler, runner: CountingRunner) -> None:
    runner.open.clear()
    made = [sequence([1], "blocker"), *(sequence([2], "loud") for _ in range(4)), sequence([3], "quiet")]
    for each, _ in made:
        scheduler.submit(each)
        time.sleep(0.02)
    runner.open.set()
    for _, pieces in made:
        read(pieces)
    order = [each.department for step in runner.steps for each, count in step if count]
    assert order.index("quiet") < 4


def test_answers_go_on_while_a_long_prompt_is_read(scheduler: Scheduler, runner: CountingRunner) -> None:
    runner.open.clear()
    running, long = sequence([1] * 100), sequence([4] * 5 * CHUNK, "other", limit=1)
    for each, _ in (running, long):
        scheduler.submit(each)
    runner.open.set()
    assert [read(pieces) for _, pieces in (running, long)] == ["A" * 100, "D"]
    reading = [step for step in runner.steps if (long[0], 0) not in step and long[0] in dict(step)]
    assert len(reading) >= 2
    assert all(dict(step)[long[0]] <= CHUNK for step in reading if (running[0], 0) in step)
    assert any((running[0], 0) in step for step in reading)


def test_departments_share_the_reading(scheduler: Scheduler, runner: CountingRunner) -> None:
    runner.open.clear()
    scheduler.submit(sequence([9])[0])
    long, short = sequence([4] * 10 * LONG_CHUNK, "long", limit=1), sequence([5] * CHUNK, "short", limit=1)
    for each, _ in (long, short):
        scheduler.submit(each)
    runner.open.set()
    assert [read(pieces) for _, pieces in (short, long)] == ["E", "D"]
    last = {
        name: max(n for n, step in enumerate(runner.steps) if name in [j.department for j, _ in step])
        for name in ("long", "short")
    }
    assert last["short"] < last["long"]


def test_who_finds_no_room_waits_at_the_head_of_the_queue(runner: CountingRunner) -> None:
    runner.places = 1
    scheduler = Scheduler(runner, queue=8, seconds=5)
    scheduler.start()
    made = [sequence([n] * n, f"department {n % 2}") for n in (3, 1, 5, 2)]
    for each, _ in made:
        scheduler.submit(each)
    assert [read(pieces) for _, pieces in made] == ["CCC", "A", "EEEEE", "BB"]
    scheduler.stop()


def test_a_cancelled_answer_is_let_go(scheduler: Scheduler, runner: CountingRunner) -> None:
    endless, pieces = sequence([1] * 300_000, limit=300_000)
    scheduler.submit(endless)
    assert pieces.get(timeout=5) == "A"
    scheduler.cancel(endless)
    other, pieces = sequence([2])
    scheduler.submit(other)
    assert read(pieces) == "B"
    assert endless not in runner.rows


def test_the_queue_is_bounded_and_a_cancelled_job_frees_its_place(scheduler: Scheduler, runner: CountingRunner) -> None:
    runner.open.clear()
    scheduler.submit(sequence([1])[0])
    deadline = time.monotonic() + 5
    while scheduler.waiting and time.monotonic() < deadline:
        time.sleep(0.005)
    waiting = [sequence([2]) for _ in range(8)]
    for each, _ in waiting:
        scheduler.submit(each)
    with pytest.raises(BusyError, match="8 questions are already waiting"):
        scheduler.submit(sequence([3])[0])
    scheduler.cancel(waiting[0][0])
    last, pieces = sequence([3])
    scheduler.submit(last)
    runner.open.set()
    assert read(pieces) == "C"
    assert waiting[0][1].empty()


def test_a_refused_adapter_fails_its_own_job_only(scheduler: Scheduler) -> None:
    bad, good = sequence([13]), sequence([5])
    for each, _ in (bad, good):
        scheduler.submit(each)
    assert read(good[1]) == "E"
    with pytest.raises(ArtifactError, match="adapter is bad"):
        read(bad[1])


def test_a_failing_model_fails_the_answers_and_serves_on(scheduler: Scheduler, runner: CountingRunner) -> None:
    runner.fail = RuntimeError("out of memory")
    first, pieces = sequence([6, 6])
    scheduler.submit(first)
    with pytest.raises(EngineError, match="out of memory"):
        read(pieces)
    runner.fail = None
    second, pieces = sequence([7, 7])
    scheduler.submit(second)
    assert read(pieces) == "GG"


def test_who_waited_too_long_is_told_to_come_back(runner: CountingRunner) -> None:
    scheduler = Scheduler(runner, queue=8, seconds=0.1, max_running=1)
    scheduler.start()
    runner.open.clear()
    made = [sequence([8]), sequence([9])]
    for each, _ in made:
        scheduler.submit(each)
    time.sleep(0.3)
    runner.open.set()
    with pytest.raises(BusyError, match="No answer could be begun"):
        read(made[1][1])
    scheduler.stop()


def test_stopping_ends_what_runs_and_what_waits(scheduler: Scheduler) -> None:
    endless, pieces = sequence([1] * 300_000, limit=300_000)
    scheduler.submit(endless)
    assert pieces.get(timeout=5) == "A"
    scheduler.stop()
    with pytest.raises(EngineError, match="was stopped"):
        read(pieces)
    with pytest.raises(EngineError, match="not running"):
        scheduler.submit(sequence([2])[0])


def test_a_model_that_does_not_load_is_the_starters_error(runner: CountingRunner) -> None:
    runner.fail = OSError("no such model")
    scheduler = Scheduler(runner, queue=8, seconds=5)
    with pytest.raises(OSError, match="no such model"):
        scheduler.start()
    with pytest.raises(EngineError, match="not running"):
        scheduler.submit(sequence([1])[0])
