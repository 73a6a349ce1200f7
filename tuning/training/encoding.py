"""Encodes dataset rows as token ids, truncates them, and groups them into batches."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import torch

from bot.domain.questions import ChatMessage
from bot.inference.loading import plain, render
from bot.storage.jsonl import read_lines
from tuning.training.objectives import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

BUCKET = 8
"""Batches among which rows are sorted by length: enough to avoid padding, too few to order the round by length."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row as tokens. ``answer`` ends with the end token unless it was cut; ``desirable`` is false for 👎.

    Rows of a ``group`` share their passages. They are computed together, so the passages are processed once.
    """

    id: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    weight: float
    desirable: bool = True
    group: str = ""

    @property
    def length(self) -> int:
        """Tokens of prompt and answer together."""
        return len(self.prompt) + len(self.answer)


@dataclass(slots=True)
class Lengths:
    """Statistics of the encoding, for the adapter's card."""

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
    rows = read_lines(path)
    lengths = Lengths(rows=len(rows))
    examples = []
    prompts = _tokens((render(tokenizer, _messages(row)) for row in rows), tokenizer)
    answers = _tokens((plain(tokenizer, row["completion"].strip()) for row in rows), tokenizer)
    for row, prompt, answer in zip(rows, prompts, answers, strict=True):
        example = _example(row, prompt, answer, tokenizer.eos_token_id, lengths, max_answer)
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
    """Return the epoch's batches of ``size`` rows: shuffled, but with rows of like length together.

    Groups stay whole, so a batch may have more. The same arguments give the same batches. The last batch takes in a
    rest of one row, because KTO needs a neighbour for each.
    """
    order = random.Random(f"{seed}:{epoch}")  # noqa: S311 - an order, not a secret
    units = _units(examples)
    order.shuffle(units)
    window = size * BUCKET
    units = [
        unit for start in range(0, len(units), window) for unit in sorted(units[start : start + window], key=_longest)
    ]
    filled: list[list[Example]] = [[]]
    for unit in units:
        if len(filled[-1]) >= size:
            filled.append([])
        filled[-1] += unit
    if len(filled) > 1 and len(filled[-1]) == 1:
        filled[-2:] = [filled[-2] + filled[-1]]
    order.shuffle(filled)
    return filled


def parts(rows: Sequence[Example], tokens: int, *, grouped: bool = True) -> Iterator[list[Example]]:
    """Split a batch into parts of at most ``tokens`` padded tokens (at least one row each), shortest rows first.

    :param grouped: a group shares its beginning, so it counts once, and no part mixes a group with other rows.
    """
    for unit in _units(rows, together=True) if grouped else [rows]:
        shared = beginning(unit) if grouped and unit[0].group else 0
        part: list[Example] = []
        for row in sorted(unit, key=_by_length):
            added = [*part, row]
            if part and _computed(added, shared) > tokens:
                yield part
                added = [row]
            part = added
        yield part


def beginning(rows: Sequence[Example]) -> int:
    """Return how many tokens all prompts have in common at their start; the last of a prompt never counts."""
    columns = zip(*(row.prompt[:-1] for row in rows), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


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


def _messages(row: dict[str, Any]) -> list[ChatMessage]:
    return [ChatMessage(message["role"], message["content"]) for message in row["messages"]]


def _tokens(texts: Iterable[str], tokenizer: Any) -> list[list[int]]:
    """Tokenise many texts in one call, which uses every core."""
    listed = list(texts)
    found: list[list[int]] = tokenizer(listed, add_special_tokens=False)["input_ids"] if listed else []
    return found


def _example(  # noqa: PLR0913, PLR0917 - a row, its two parts as tokens, and what may be kept of them
    row: dict[str, Any], prompt: list[int], text: list[int], end: int, lengths: Lengths, max_answer: int
) -> Example | None:
    if not text:
        lengths.answers_empty += 1
        return None
    answer = [*text, end]
    if len(answer) > max_answer:
        lengths.answers_cut += 1
        answer = answer[:max_answer]
    weight, desirable = float(row["weight"]), row.get("label") != "down"
    return Example(row["id"], tuple(prompt), tuple(answer), weight, desirable, row.get("group", ""))


def _units(rows: Sequence[Example], *, together: bool = False) -> list[list[Example]]:
    """Return the groups; a row without one is a unit of its own, or ``together`` they are one unit."""
    units: dict[str, list[Example]] = {}
    for row in rows:
        units.setdefault(row.group or ("" if together else f"row {row.id}"), []).append(row)
    return list(units.values())


def _computed(rows: Sequence[Example], shared: int) -> int:
    """Return the tokens of a part: a group's rests stand one after another, other rows are padded to the longest."""
    return shared + sum(row.length - shared for row in rows) if shared else rows[-1].length * len(rows)


def _longest(unit: Sequence[Example]) -> tuple[int, str]:
    return max(map(_by_length, unit))


def _by_length(row: Example) -> tuple[int, str]:
    return row.length, row.id
