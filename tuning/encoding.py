"""Dataset rows as token ids: what is learned of each, what had to be cut, and which rows are computed together."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from bot.engines.loading import encode, plain, render
from bot.messages import ChatMessage
from tuning.objectives import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BUCKET = 8
"""Batches among which rows are sorted by length: enough to avoid padding, too few to order the round by length."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row as tokens. ``answer`` ends with the end token unless it was cut; ``desirable`` is false for 👎."""

    id: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    weight: float
    desirable: bool = True

    @property
    def length(self) -> int:
        """Tokens of prompt and answer together."""
        return len(self.prompt) + len(self.answer)


@dataclass(slots=True)
class Lengths:
    """What happened to rows on the way to tokens; goes into the adapter's card."""

    rows: int = 0
    kept: int = 0
    answers_cut: int = 0
    prompts_too_long: int = 0
    answers_empty: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def read_examples(path: Path, tokenizer: Any, *, max_tokens: int, max_answer: int) -> tuple[list[Example], Lengths]:
    """Read a dataset's file of rows.

    The answer is tokenised apart from the prompt, as it is when the model writes it, so the two never share a token.
    """
    lengths = Lengths()
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        lengths.rows += 1
        example = _example(row, tokenizer, lengths, max_answer)
        if example is None:
            continue
        if example.length > max_tokens:
            lengths.prompts_too_long += 1
            continue
        lengths.kept += 1
        lengths.prompt_tokens += len(example.prompt)
        lengths.answer_tokens += len(example.answer)
        examples.append(example)
    return examples, lengths


def batches(examples: Sequence[Example], size: int, *, seed: int, epoch: int) -> list[list[Example]]:
    """Return the epoch's batches: shuffled, but with rows of like length together. The same arguments give the same.

    The last batch takes in a rest of one row, because KTO needs a neighbour for each.
    """
    order = random.Random(f"{seed}:{epoch}")  # noqa: S311 - an order, not a secret
    rows = list(examples)
    order.shuffle(rows)
    window = size * BUCKET
    rows = [
        row for start in range(0, len(rows), window) for row in sorted(rows[start : start + window], key=_by_length)
    ]
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    order.shuffle(groups)
    return groups


def parts(rows: Sequence[Example], tokens: int) -> Iterator[list[Example]]:
    """Split a batch into parts of at most ``tokens`` padded tokens (at least one row each), shortest rows first."""
    part: list[Example] = []
    for row in sorted(rows, key=_by_length):
        if part and row.length * (len(part) + 1) > tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def tensors(rows: Sequence[Example], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``ids`` and ``labels``, each shape ``(B, T)``, padded on the right; only answers have labels.

    ``labels[:, t]`` belongs to ``ids[:, t]`` (not shifted). Padding on the right needs no attention mask: with causal
    attention no answer token ever sees what comes after it.
    """
    width = max(row.length for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : row.length] = torch.tensor(row.prompt + row.answer)
        labels[i, len(row.prompt) : row.length] = torch.tensor(row.answer)
    return ids.to(device), labels.to(device)


def _example(row: dict[str, Any], tokenizer: Any, lengths: Lengths, max_answer: int) -> Example | None:
    messages = [ChatMessage(message["role"], message["content"]) for message in row["messages"]]
    prompt = encode(tokenizer, render(tokenizer, messages))
    text = encode(tokenizer, plain(tokenizer, row["completion"].strip()))
    if not text:
        lengths.answers_empty += 1
        return None
    answer = [*text, tokenizer.eos_token_id]
    if len(answer) > max_answer:
        lengths.answers_cut += 1
        answer = answer[:max_answer]
    return Example(row["id"], tuple(prompt), tuple(answer), float(row["weight"]), row.get("label") != "down")


def _by_length(row: Example) -> tuple[int, str]:
    return row.length, row.id
