"""Answers held-out questions with one or two adapters and scores the answers.

Run as ``python -m tuning.evaluation.answers JOB.json``, in a separate process because it loads the model. Each side
answers the same prompts greedily with the engine that serves (``LocalEngine``), in the same precision. Answers are
cached by everything that determines them, so a champion isn't asked again in the next round.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.answering.prompt import ASKED, fenced, unless_sure
from bot.domain.generation import AdapterRef, GenerationRequest
from bot.domain.questions import ChatMessage
from bot.storage.artifacts import read_manifest, write_atomically
from bot.storage.jsonl import read_lines
from tuning.evaluation.metrics import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.inference.local.engine import LocalEngine

ENDLESS_SLACK = 2
"""Tokens by which an answer cut at the limit may shrink when its text is tokenised again."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: an adapter version and its folder, or ``base`` and no folder."""

    name: str
    version: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """What to evaluate. Paths are absolute.

    :param model: folder of the base model.
    :param questions: JSON lines ``{"id", "messages", "reference", "cluster"}`` with the prompts as served.
    :param out: folder for ``answers-<side name>.jsonl``.
    :param cache: folder where a side's answers are cached for later jobs.
    :param dtype: as ``settings.model.dtype``.
    :param threads: CPU threads, 0 for all cores.
    :param refusal_chance: probability from which a side may say that it finds no answer.
    """

    model: str
    sides: tuple[Side, ...]
    questions: str
    out: str
    cache: str
    progress: str
    max_new_tokens: int = 256
    dtype: str = "auto"
    threads: int = 0
    refusal_chance: float = 0.0

    def write(self, path: Path) -> None:
        """Write the job file."""
        write_atomically(path, json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, path: Path) -> EvaluateJob:
        """Read a job file."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**raw, "sides": tuple(Side(**side) for side in raw["sides"])})


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A held-out question with the prompt it is asked in."""

    id: str
    messages: tuple[ChatMessage, ...]
    reference: str
    cluster: str

    @property
    def passages(self) -> list[str]:
        """The passages in the prompt."""
        return [passage for message in self.messages for passage in fenced(message.content)]

    @property
    def question(self) -> str:
        """What was asked, without the passages."""
        return self.messages[-1].content.rpartition(ASKED)[2]


def read_questions(path: Path) -> list[HeldOut]:
    """Read held-out questions; a question without a cluster is its own."""
    rows = read_lines(path)
    return [
        HeldOut(
            row["id"],
            tuple(ChatMessage(message["role"], message["content"]) for message in row["messages"]),
            row["reference"],
            row.get("cluster") or row["id"],
        )
        for row in rows
    ]


def cache_key(job: EvaluateJob, side: Side) -> str:
    """Return what identifies a side's answers: base, adapter, questions and how they were generated."""
    parts = [
        read_manifest(Path(job.model), "model").sha256,
        read_manifest(Path(side.path), "adapter").sha256 if side.path else "",
        repr(read_questions(Path(job.questions))),
        f"{job.max_new_tokens} {job.dtype} {job.refusal_chance}",
    ]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]


def run(job: EvaluateJob) -> None:
    """Evaluate every side. If all answers are cached, the model isn't loaded."""
    questions = read_questions(Path(job.questions))
    Path(job.cache).mkdir(parents=True, exist_ok=True)
    with closing(_Runner(job, questions)) as runner:
        for number, side in enumerate(job.sides):
            kept = Path(job.cache) / f"{cache_key(job, side)}.jsonl"
            if not kept.is_file():
                rows = runner.answer(side, number)
                write_atomically(kept, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            write_atomically(Path(job.out) / f"answers-{side.name}.jsonl", kept.read_text(encoding="utf-8"))


class _Runner:
    def __init__(self, job: EvaluateJob, questions: Sequence[HeldOut]) -> None:
        self._job = job
        self._questions = questions
        self._engine: LocalEngine | None = None
        self._tokenizer: Any = None
        self._started = time.monotonic()

    def answer(self, side: Side, number: int) -> list[dict[str, Any]]:
        engine = self._engine or self._load()
        ref = AdapterRef(side.version, Path(side.path), Path(self._job.model).name) if side.path else None
        requests = [
            GenerationRequest(
                question.messages,
                ref,
                max_new_tokens=self._job.max_new_tokens,
                reserved=unless_sure(self._job.refusal_chance) if question.passages else None,
            )
            for question in self._questions
        ]
        texts = asyncio.run(engine.answer_all(requests, lambda done: self._tell(side, number, done, len(requests))))
        return [self._row(question, text.strip()) for question, text in zip(self._questions, texts, strict=True)]

    def close(self) -> None:
        if self._engine is not None:
            asyncio.run(self._engine.stop())

    def _load(self) -> LocalEngine:
        from bot.inference.loading import load_tokenizer, pick_device
        from bot.inference.local.engine import LocalEngine

        job = self._job
        device, reason = pick_device()
        self._report({"phase": "evaluate", "device": device, "reason": reason})
        self._tokenizer = load_tokenizer(Path(job.model))
        # All questions wait at once, and none is cut for the time that it takes.
        self._engine = LocalEngine(
            Path(job.model), dtype=job.dtype, threads=job.threads, queue=len(self._questions), seconds=math.inf
        )
        asyncio.run(self._engine.start())
        return self._engine

    def _row(self, question: HeldOut, text: str) -> dict[str, Any]:
        limit = self._job.max_new_tokens - ENDLESS_SLACK
        tokens = len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        wanted = len(self._tokenizer(question.reference, add_special_tokens=False)["input_ids"])
        return {
            "id": question.id,
            "question": question.question,
            "reference": question.reference,
            "answer": text,
            "cluster": question.cluster,
            "tokens": tokens,
            "scores": score(text, question.reference, question.passages, endless=tokens >= limit > wanted),
        }

    def _tell(self, side: Side, number: int, done: int, total: int) -> None:
        sides = len(self._job.sides)
        elapsed = time.monotonic() - self._started
        step, steps = number * total + done, sides * total
        eta = elapsed / step * (steps - step)
        self._report(
            {"phase": "evaluate", "side": side.name, "step": step, "steps": steps, "eta_seconds": round(eta, 1)}
        )

    def _report(self, line: dict[str, Any]) -> None:
        with Path(self._job.progress).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_answers(path: Path) -> list[dict[str, Any]]:
    """Read a side's answers: ``{"id", "question", "reference", "answer", "cluster", "tokens", "scores"}`` a row."""
    return read_lines(path)


if __name__ == "__main__":
    run(EvaluateJob.read(Path(sys.argv[1])))
