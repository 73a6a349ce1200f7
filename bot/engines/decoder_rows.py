"""Running answers on a decoder of ours: their pages and their guesses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bot.engines.adapters import read_adapter
from bot.engines.choice import Chooser, keep_reserved
from bot.engines.decoder.lookup import MOST, Lookup
from bot.engines.decoder.pages import PageBook
from bot.engines.decoder.shape import PAGE, Segment
from bot.engines.shelf import Shelf
from bot.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.engines.adapters import Shapes
    from bot.engines.decoder.pages import Lease
    from bot.engines.decoder.shape import Decoder
    from bot.engines.identity import ModelIdentity
    from bot.engines.scheduler import Job

ADAPTERS = 64
"""Adapters kept ready; beyond that the one unused for longest goes."""

GUESSING_ROWS = 24
"""Rows in a pass, guesses included, above which guessing costs more than it saves."""


@dataclass(slots=True)
class _Row:
    """A running answer. ``tokens`` are the prompt and the answer so far; ``read`` of them are in the pages."""

    lease: Lease
    tokens: list[int]
    read: int
    chooser: Chooser
    lookup: Lookup | None
    guesses: list[int] = field(default_factory=list)


class DecoderRows:
    """Implements :class:`bot.engines.scheduler.Rows` on a :class:`bot.engines.decoder.shape.Decoder`.

    :param pages: how many pages of keys and values there are. ``guessing`` can be switched off to measure what it is
        worth.
    """

    def __init__(self, decoder: Decoder, base: ModelIdentity, shapes: Shapes, *, pages: int) -> None:
        self.decoder = decoder
        self.pieces = decoder.pieces
        self.shelf = Shelf(lambda ref: decoder.pack(read_adapter(ref, base, shapes)), ADAPTERS)
        self.guessing = True
        self._book = PageBook(pages)
        self._rows: dict[Job, _Row] = {}
        decoder.reserve(pages)

    def admit(self, job: Job) -> bool:
        """Begin an answer; return whether there was room for it.

        :raises EngineError: the tokenizer knows tokens that the model does not.
        """
        if (largest := max(job.prompt)) >= self.decoder.shape.vocabulary:
            raise EngineError(f"The prompt has token {largest}, which the model does not know.")
        # What one department has read must not tell another, by its speed, that it was read.
        space = (job.department, job.adapter.version if job.adapter else None)
        lease = self._book.open(space, job.prompt, len(job.prompt) + job.limit)
        if lease is None:
            return False
        lookup = None if job.temperature > 0 else Lookup(job.prompt)
        self._rows[job] = _Row(lease, list(job.prompt), lease.shared, Chooser(job.temperature, job.seed), lookup)
        job.unread = len(job.prompt) - lease.shared
        return True

    @torch.inference_mode()
    def step(self, work: Sequence[tuple[Job, int]]) -> list[list[int | None]]:
        """Read so many prompt tokens of each job, or continue its answer where none are left; return its new tokens."""
        # Rows of one adapter side by side share the reading of its weights.
        order = sorted(range(len(work)), key=lambda i: id(work[i][0].fetched))
        guessing = (
            GUESSING_ROWS // max(1, len(work)) - 1 if self.guessing and all(count == 0 for _, count in work) else 0
        )
        segments = [self._segment(*work[i], guessing) for i in order]
        logits = self.decoder.forward(segments)
        self._keep_reserved([work[i][0] for i in order], segments, logits)
        likeliest = _likeliest(logits)
        results: list[list[int | None]] = [[] for _ in work]
        start = 0
        for i, segment in zip(order, segments, strict=True):
            part = slice(start, start := start + segment.wanted)
            chosen = self._choose(self._rows[work[i][0]], logits[part], likeliest[part])
            results[i] = chosen
            self._advance(work[i][0], segment, chosen)
        return results

    def release(self, job: Job) -> None:
        """Let an answer go; what it read stays known while there is room."""
        if row := self._rows.pop(job, None):
            self._book.publish(row.lease, row.tokens[: row.read])
            self._book.close(row.lease)

    def _segment(self, job: Job, count: int, guessing: int) -> Segment:
        row = self._rows[job]
        if count:
            tokens = row.tokens[row.read : row.read + count]
            wanted = int(count == job.unread)
        else:
            room = min(guessing, MOST, job.limit - job.count - 1)
            row.guesses = row.lookup.guess(room) if row.lookup and room > 0 else []
            tokens = [row.tokens[-1], *row.guesses]
            wanted = len(tokens)
        needed = -(-(row.read + len(tokens)) // PAGE)
        return Segment(tokens, row.read, row.lease.pages[:needed], job.fetched, wanted)

    @staticmethod
    def _keep_reserved(jobs: Sequence[Job], segments: Sequence[Segment], logits: torch.Tensor) -> None:
        start = 0
        for job, segment in zip(jobs, segments, strict=True):
            if job.reserved and job.unread and segment.wanted:  # the prompt ends here
                keep_reserved(logits[start], job.reserved)
            start += segment.wanted

    @staticmethod
    def _choose(row: _Row, logits: torch.Tensor, likeliest: Sequence[int | None]) -> list[int | None]:
        """Return the tokens chosen, the first wrong guess being replaced and what follows it dropped."""
        chosen: list[int | None] = []
        for place, best in enumerate(likeliest):
            token = row.chooser(logits[place]) if row.lookup is None and best is not None else best
            chosen.append(token)
            if place < len(row.guesses) and token != row.guesses[place]:
                break
        return chosen

    def _advance(self, job: Job, segment: Segment, chosen: Sequence[int | None]) -> None:
        row = self._rows[job]
        if job.unread:
            row.read += len(segment.tokens)
            job.unread -= len(segment.tokens)
            self._book.publish(row.lease, row.tokens[: row.read])
        else:
            row.read += len(chosen)
            if row.lookup and row.guesses:
                row.lookup.learn(len(row.guesses), len(chosen) - 1)
        tokens = [token for token in chosen if token is not None]
        row.tokens += tokens
        row.guesses = []
        if row.lookup:
            row.lookup.add(tokens)


def _likeliest(logits: torch.Tensor) -> list[int | None]:
    """Return the likeliest token of each row, ``None`` where the largest number is not finite."""
    if not len(logits):
        return []
    best, tokens = logits.max(dim=-1)
    # One copy from a GPU, which waits for the whole pass, for all rows.
    found: list[int] = tokens.where(torch.isfinite(best), -1).tolist()
    return [None if token < 0 else token for token in found]
