"""Measures the local engine against the limits of this machine, for ``mentee bench`` and benchmarks.

Two limits are measured with PyTorch: memory bandwidth, which bounds decoding (every token reads all weights), and the
rate of float32 matrix products, which bounds prefill.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from threading import Event
from typing import TYPE_CHECKING, Any

import torch

from bot.domain.errors import MenteeError
from bot.inference.local.detokenizer import TokenText
from bot.inference.local.scheduler import Scheduler
from bot.inference.local.sequences import GenerationSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.generation import AdapterRef
    from bot.inference.local.runner import LocalRunner
    from bot.inference.local.sequences import Piece

PROMPT, ANSWER = 600, 64
"""Tokens of a question with passages, and of an answer."""

WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The machine's memory bandwidth and its rate of float32 matrix products."""

    bytes_per_second: float
    operations_per_second: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer: seconds from the question to each of its tokens, and the tokens."""

    times: tuple[float, ...]
    tokens: tuple[int, ...]

    @property
    def first(self) -> float:
        """Return the seconds to the first token."""
        return self.times[0]

    @property
    def last(self) -> float:
        """Return the seconds to the last token."""
        return self.times[-1]

    @property
    def step(self) -> float:
        """Return the median pause between the first tokens."""
        return median(self._pauses()[:20])

    @property
    def longest(self) -> float:
        """Return the longest pause between two tokens."""
        return max(self._pauses())

    def _pauses(self) -> list[float]:
        return [after - before for before, after in pairwise(self.times)]


@dataclass(frozen=True, slots=True)
class Report:
    """What ``mentee bench`` shows. ``answers_per_minute`` is by number of concurrent questions."""

    model: str
    dtype: str
    device: str
    threads: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float
    first_token_seconds: float
    answers_per_minute: dict[int, float]
    memory_gb_per_second: float
    matrix_gflops: float
    prefill_share_of_limit: float
    decode_share_of_limit: float
    binds: str


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt as token ids, and the adapter that answers it."""

    prompt: tuple[int, ...]
    adapter: AdapterRef | None = None
    department: str = ""


class Bench:
    """The engine's scheduler and model without detokenization; answers have exactly as many tokens as asked for."""

    def __init__(self, runner: LocalRunner, *, max_running: int = 16) -> None:
        self.runner = runner
        self.scheduler = Scheduler(runner, queue=1000, seconds=WAIT_SECONDS, max_running=max_running)
        self.scheduler.start()
        runner.ends = frozenset()

    def close(self) -> None:
        self.scheduler.stop()

    def ask(
        self, questions: Sequence[Question], tokens: int = ANSWER, meanwhile: Callable[[], object] | None = None
    ) -> list[Timing]:
        """Ask all at once and return each one's times, in order.

        :param meanwhile: called while they are being answered.
        :raises MenteeError: a question was refused.
        """
        asked = [_Asked(question, tokens, self.scheduler.backend.adapters) for question in questions]
        started = time.perf_counter()
        for each in asked:
            self.scheduler.submit(each.sequence)
        if meanwhile:
            meanwhile()
        return [each.timing(started) for each in asked]

    def seconds(self, questions: Sequence[Question], tokens: int = ANSWER) -> float:
        """Ask all at once and return the seconds to the last token."""
        return max(timing.last for timing in self.ask(questions, tokens))


class _Asked:
    def __init__(self, question: Question, tokens: int, adapters: Any) -> None:
        self._tokens: list[int] = []
        self._times: list[float] = []
        self._done = Event()
        self._problem: MenteeError | None = None
        loaded_adapter = adapters.load(question.adapter) if question.adapter else None
        self.sequence = GenerationSequence(
            question.prompt,
            tokens,
            _Recorder(self._tokens, self._times),
            self._take,
            department=question.department,
            adapter=question.adapter,
            loaded_adapter=loaded_adapter,
        )

    def _take(self, piece: Piece) -> None:
        if isinstance(piece, MenteeError):
            self._problem = piece
        if not isinstance(piece, str):
            self._done.set()

    def timing(self, started: float) -> Timing:
        if not self._done.wait(WAIT_SECONDS):
            raise MenteeError(f"No answer came within {WAIT_SECONDS:.0f} s.")
        if self._problem:
            raise self._problem
        return Timing(tuple(at - started for at in self._times), tuple(self._tokens))


class _Recorder(TokenText):
    """Records tokens and when they came; returns no text."""

    def __init__(self, tokens: list[int], times: list[float]) -> None:
        super().__init__(lambda _: "")
        self._seen, self._times = tokens, times

    def feed(self, token: int) -> str:
        self._seen.append(token)
        self._times.append(time.perf_counter())
        return ""

    def rest(self) -> str:
        return ""


def timed(work: Callable[[], object], repeat: int = 3) -> float:
    """Return the median duration of some work in seconds."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def measure_limits(device: str, threads: int) -> Limits:
    """Measure the machine; takes about a second."""
    torch.set_num_threads(threads)
    block = torch.ones(2**26, device=device)  # 256 MiB: far more than any cache holds
    left, right = torch.ones(1024, 1024, device=device), torch.ones(1024, 1024, device=device)
    reading = min(timed(lambda: float(block.sum()), 1) for _ in range(5))
    product = min(timed(lambda: float((left @ right)[0, 0]), 1) for _ in range(8))
    return Limits(block.nbytes / reading, 2 * 1024**3 / product)


def weights_of(runner: LocalRunner) -> tuple[int, int]:
    """Return the number of weights in a model's layers and in its head, each read once per token."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        config = AutoConfig.from_pretrained(runner.path, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call] # transformers has no types there
    head = model.get_output_embeddings().weight.numel()
    embeddings = model.get_input_embeddings().weight
    total = sum(weight.numel() for weight in model.parameters() if weight is not embeddings)
    tied = model.get_output_embeddings().weight is embeddings
    return total - (0 if tied else head), head


def questions(vocabulary: int, count: int, *, length: int = PROMPT, seed: int = 0) -> list[Question]:
    """Return prompts of random tokens, no two alike."""
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(10, vocabulary, (count, length), generator=random).tolist()
    return [Question(tuple(row), department=str(number % 4)) for number, row in enumerate(ids)]


def report(bench: Bench, name: str, threads: int, vocabulary: int) -> Report:
    """Measure the engine with 1, 4 and 16 concurrent questions."""
    runner = bench.runner
    fresh = partial(questions, vocabulary)
    bench.ask(fresh(1, seed=1), 8)  # the first one allocates
    alone = [bench.ask(fresh(1, seed=seed))[0] for seed in (2, 3, 4)]
    first = median(timing.first for timing in alone)
    last = median(timing.last for timing in alone)
    minutes = {1: 60 / last}
    minutes |= {count: 60 * count / bench.seconds(fresh(count, seed=count)) for count in (4, 16)}
    limits = measure_limits(runner.device, threads)
    layers, head = weights_of(runner)
    size = {"int8": 1, "bfloat16": 2}.get(runner.dtype_name, 4)
    prefill, decode = PROMPT / first, (ANSWER - 1) / (last - first)
    prefill_limit = limits.operations_per_second / (2 * layers)
    decode_limit = limits.bytes_per_second / (size * (layers + head))
    reading = first / last
    return Report(
        name,
        runner.dtype_name,
        runner.device,
        threads,
        prefill,
        decode,
        first,
        minutes,
        limits.bytes_per_second / 1e9,
        limits.operations_per_second / 1e9,
        prefill / prefill_limit,
        decode / decode_limit,
        f"{'matrix products' if reading > 0.5 else 'memory'} ({max(reading, 1 - reading):.0%} of an answer's time)",  # noqa: PLR2004 - half
    )
