"""Who is answered when, with a runner that has no model."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from bot.engines.scheduler import Job, Scheduler
from bot.engines.text import TokenText
from bot.errors import ArtifactError, BusyError, EngineError

END = 0
CHUNK, LONG_CHUNK = 100, 300


class CountingRunner:
    """Answers each prompt with its first token, as often as the prompt is long, then ends. Is its own rows."""

    ends = frozenset({END})
    pieces = CHUNK, LONG_CHUNK

    def __init__(self):
        self.rows: dict[Job, list[int]] = {}
        self.steps: list[list[tuple[Job, int]]] = []
        self.places = 1000
        self.open = threading.Event()
        self.open.set()
        self.fail = None
        self.closed = False

    def load(self):
        if isinstance(self.fail, OSError):
            raise self.fail
        return self

    def admit(self, job):
        if job.prompt[0] == 13:
            raise ArtifactError("The adapter is bad.")
        if len(self.rows) >= self.places:
            return False
        self.rows[job] = [*job.prompt, END]
        job.unread = len(job.prompt)
        return True

    def step(self, work):
        self.open.wait()
        if self.fail:
            raise self.fail
        self.steps.append(list(work))
        for job, count in work:
            assert bool(count) == bool(job.unread)
            job.unread -= count
        return [[] if job.unread else [self.rows[job].pop(0)] for job, _ in work]

    def release(self, job):
        del self.rows[job]

    def close(self):
        self.closed = True


@pytest.fixture
def runner():
    return CountingRunner()


@pytest.fixture
def scheduler(runner):
    scheduler = Scheduler(runner, queue=8, seconds=5, max_rows=2)
    scheduler.start()
    yield scheduler
    runner.open.set()
    scheduler.stop()
    assert runner.closed


def job(prompt, department="", limit=100):
    pieces = queue.Queue()
    made = Job(
        prompt, limit, TokenText(lambda ids: "".join(chr(64 + i) for i in ids)), pieces.put, department=department
    )
    return made, pieces


def read(pieces):
    text = ""
    while (piece := pieces.get(timeout=5)) is not None:
        if isinstance(piece, Exception):
            raise piece
        text += piece
    return text


def test_rows_join_and_leave_a_running_batch(scheduler):
    made = [job([n] * n) for n in (3, 1, 5, 2, 4)]
    for each, _ in made:
        scheduler.submit(each)
    assert [read(pieces) for _, pieces in made] == ["CCC", "A", "EEEEE", "BB", "DDDD"]


def test_departments_take_turns(scheduler, runner):
    runner.open.clear()
    made = [job([1], "blocker"), *(job([2], "loud") for _ in range(4)), job([3], "quiet")]
    for each, _ in made:
        scheduler.submit(each)
        time.sleep(0.02)
    runner.open.set()
    for _, pieces in made:
        read(pieces)
    order = [each.department for step in runner.steps for each, count in step if count]
    assert order.index("quiet") < 4


def test_answers_go_on_while_a_long_prompt_is_read(scheduler, runner):
    runner.open.clear()
    running, long = job([1] * 100), job([4] * 5 * CHUNK, "other", limit=1)
    for each, _ in (running, long):
        scheduler.submit(each)
    runner.open.set()
    assert [read(pieces) for _, pieces in (running, long)] == ["A" * 100, "D"]
    reading = [step for step in runner.steps if (long[0], 0) not in step and long[0] in dict(step)]
    assert len(reading) >= 2
    assert all(dict(step)[long[0]] <= CHUNK for step in reading if (running[0], 0) in step)
    assert any((running[0], 0) in step for step in reading)


def test_departments_share_the_reading(scheduler, runner):
    runner.open.clear()
    scheduler.submit(job([9])[0])
    long, short = job([4] * 10 * LONG_CHUNK, "long", limit=1), job([5] * CHUNK, "short", limit=1)
    for each, _ in (long, short):
        scheduler.submit(each)
    runner.open.set()
    assert [read(pieces) for _, pieces in (short, long)] == ["E", "D"]
    last = {
        name: max(n for n, step in enumerate(runner.steps) if name in [j.department for j, _ in step])
        for name in ("long", "short")
    }
    assert last["short"] < last["long"]


def test_who_finds_no_room_waits_at_the_head_of_the_queue(runner):
    runner.places = 1
    scheduler = Scheduler(runner, queue=8, seconds=5)
    scheduler.start()
    made = [job([n] * n, f"department {n % 2}") for n in (3, 1, 5, 2)]
    for each, _ in made:
        scheduler.submit(each)
    assert [read(pieces) for _, pieces in made] == ["CCC", "A", "EEEEE", "BB"]
    scheduler.stop()


def test_a_cancelled_answer_is_let_go(scheduler, runner):
    endless, pieces = job([1] * 300_000, limit=300_000)
    scheduler.submit(endless)
    assert pieces.get(timeout=5) == "A"
    scheduler.cancel(endless)
    other, pieces = job([2])
    scheduler.submit(other)
    assert read(pieces) == "B"
    assert endless not in runner.rows


def test_the_queue_is_bounded_and_a_cancelled_job_frees_its_place(scheduler, runner):
    runner.open.clear()
    scheduler.submit(job([1])[0])
    deadline = time.monotonic() + 5
    while scheduler.waiting and time.monotonic() < deadline:
        time.sleep(0.005)
    waiting = [job([2]) for _ in range(8)]
    for each, _ in waiting:
        scheduler.submit(each)
    with pytest.raises(BusyError, match="8 questions are waiting"):
        scheduler.submit(job([3])[0])
    scheduler.cancel(waiting[0][0])
    last, pieces = job([3])
    scheduler.submit(last)
    runner.open.set()
    assert read(pieces) == "C"
    assert waiting[0][1].empty()


def test_a_refused_adapter_fails_its_own_job_only(scheduler):
    bad, good = job([13]), job([5])
    for each, _ in (bad, good):
        scheduler.submit(each)
    assert read(good[1]) == "E"
    with pytest.raises(ArtifactError, match="adapter is bad"):
        read(bad[1])


def test_a_failing_model_fails_the_answers_and_serves_on(scheduler, runner):
    runner.fail = RuntimeError("out of memory")
    first, pieces = job([6, 6])
    scheduler.submit(first)
    with pytest.raises(EngineError, match="out of memory"):
        read(pieces)
    runner.fail = None
    second, pieces = job([7, 7])
    scheduler.submit(second)
    assert read(pieces) == "GG"


def test_who_waited_too_long_is_told_to_come_back(runner):
    scheduler = Scheduler(runner, queue=8, seconds=0.1, max_rows=1)
    scheduler.start()
    runner.open.clear()
    made = [job([8]), job([9])]
    for each, _ in made:
        scheduler.submit(each)
    time.sleep(0.3)
    runner.open.set()
    with pytest.raises(BusyError, match="No answer could be begun"):
        read(made[1][1])
    scheduler.stop()


def test_stopping_ends_what_runs_and_what_waits(scheduler):
    endless, pieces = job([1] * 300_000, limit=300_000)
    scheduler.submit(endless)
    assert pieces.get(timeout=5) == "A"
    scheduler.stop()
    with pytest.raises(EngineError, match="was stopped"):
        read(pieces)
    with pytest.raises(EngineError, match="not running"):
        scheduler.submit(job([2])[0])


def test_a_model_that_does_not_load_is_the_starters_error(runner):
    runner.fail = OSError("no such model")
    scheduler = Scheduler(runner, queue=8, seconds=5)
    with pytest.raises(OSError, match="no such model"):
        scheduler.start()
    with pytest.raises(EngineError, match="not running"):
        scheduler.submit(job([1])[0])
