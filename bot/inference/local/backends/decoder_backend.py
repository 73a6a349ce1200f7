"""The backend for our own decoders: a shared KV cache, and guessed tokens checked in the same pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bot.domain.errors import EngineError
from bot.inference.local.adapter_cache import AdapterCache
from bot.inference.local.adapters import read_adapter
from bot.inference.local.kv_cache import KVCacheManager
from bot.inference.local.model_config import PAGE, Segment
from bot.inference.local.prompt_lookup import MAX_GUESSES, PromptLookup
from bot.inference.local.sampling import Sampler, mask_reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.inference.fingerprint import ModelFingerprint
    from bot.inference.local.adapters import Shapes
    from bot.inference.local.kv_cache import PageTable
    from bot.inference.local.model_config import Decoder
    from bot.inference.local.sequences import GenerationSequence

ADAPTERS = 64
"""Size of the adapter cache."""

MAX_GUESSING_TOKENS = 24
"""Tokens in a pass, guesses included, above which guessing costs more than it saves."""


@dataclass(slots=True)
class _Running:
    """A running answer. ``tokens`` are the prompt and the answer so far; ``read`` of them are in the KV cache."""

    table: PageTable
    tokens: list[int]
    read: int
    sampler: Sampler
    lookup: PromptLookup | None
    guesses: list[int] = field(default_factory=list)


class DecoderBackend:
    """Implements :class:`bot.inference.local.sequences.Backend` on a :class:`bot.inference.local.model_config.Decoder`.

    Set ``guessing`` to ``False`` to measure what prompt lookup is worth.

    :param pages: size of the KV cache.
    """

    def __init__(self, decoder: Decoder, base: ModelFingerprint, shapes: Shapes, *, pages: int) -> None:
        self.decoder = decoder
        self.prefill_chunks = decoder.prefill_chunks
        self.adapters = AdapterCache(lambda ref: decoder.pack(read_adapter(ref, base, shapes)), ADAPTERS)
        self.guessing = True
        self._kv_cache = KVCacheManager(pages)
        self._running: dict[GenerationSequence, _Running] = {}
        decoder.reserve(pages)

    def admit(self, sequence: GenerationSequence) -> bool:
        """Add a sequence; return whether there was room for it.

        :raises EngineError: the tokenizer knows tokens that the model does not.
        """
        prompt = sequence.prompt
        if (largest := max(prompt)) >= self.decoder.config.vocabulary:
            raise EngineError(f"The prompt has token {largest}, which isn't in the model's vocabulary.")
        # Departments share no pages: the speed of an answer would tell one what another has read.
        space = (sequence.department, sequence.adapter.version if sequence.adapter else None)
        table = self._kv_cache.allocate(space, prompt, len(prompt) + sequence.limit)
        if table is None:
            return False
        lookup = None if sequence.temperature > 0 else PromptLookup(prompt)
        sampler = Sampler(sequence.temperature, sequence.seed)
        self._running[sequence] = _Running(table, list(prompt), table.shared, sampler, lookup)
        sequence.unread = len(prompt) - table.shared
        return True

    @torch.inference_mode()
    def step(self, work: Sequence[tuple[GenerationSequence, int]]) -> list[list[int | None]]:
        """Read so many prompt tokens of each sequence, or continue its answer; return the new tokens of each."""
        # Neighbours with the same adapter share the reading of its weights.
        order = sorted(range(len(work)), key=lambda i: id(work[i][0].loaded_adapter))
        no_prefill = all(count == 0 for _, count in work)
        guesses = MAX_GUESSING_TOKENS // max(1, len(work)) - 1 if self.guessing and no_prefill else 0
        segments = [self._segment(*work[i], guesses) for i in order]
        logits = self.decoder.forward(segments)
        self._mask_reserved([work[i][0] for i in order], segments, logits)
        likeliest = _likeliest(logits)
        results: list[list[int | None]] = [[] for _ in work]
        start = 0
        for i, segment in zip(order, segments, strict=True):
            part = slice(start, start := start + segment.wanted)
            chosen = self._choose(self._running[work[i][0]], logits[part], likeliest[part])
            results[i] = chosen
            self._advance(work[i][0], segment, chosen)
        return results

    def release(self, sequence: GenerationSequence) -> None:
        """Remove a sequence; its pages stay cached until they are evicted."""
        if running := self._running.pop(sequence, None):
            self._kv_cache.share(running.table, running.tokens[: running.read])
            self._kv_cache.free(running.table)

    def _segment(self, sequence: GenerationSequence, count: int, guesses: int) -> Segment:
        running = self._running[sequence]
        if count:
            tokens = running.tokens[running.read : running.read + count]
            wanted = int(count == sequence.unread)
        else:
            limit = min(guesses, MAX_GUESSES, sequence.limit - sequence.count - 1)
            running.guesses = running.lookup.guess(limit) if running.lookup and limit > 0 else []
            tokens = [running.tokens[-1], *running.guesses]
            wanted = len(tokens)
        needed = -(-(running.read + len(tokens)) // PAGE)
        return Segment(tokens, running.read, running.table.pages[:needed], sequence.loaded_adapter, wanted)

    @staticmethod
    def _mask_reserved(
        sequences: Sequence[GenerationSequence], segments: Sequence[Segment], logits: torch.Tensor
    ) -> None:
        start = 0
        for sequence, segment in zip(sequences, segments, strict=True):
            if sequence.reserved and sequence.unread and segment.wanted:  # the prompt ends here
                mask_reserved(logits[start], sequence.reserved)
            start += segment.wanted

    @staticmethod
    def _choose(running: _Running, logits: torch.Tensor, likeliest: Sequence[int | None]) -> list[int | None]:
        """Return the tokens chosen; the first wrong guess is replaced and those after it are dropped."""
        chosen: list[int | None] = []
        for place, best in enumerate(likeliest):
            token = running.sampler(logits[place]) if running.lookup is None and best is not None else best
            chosen.append(token)
            if place < len(running.guesses) and token != running.guesses[place]:
                break
        return chosen

    def _advance(self, sequence: GenerationSequence, segment: Segment, chosen: Sequence[int | None]) -> None:
        running = self._running[sequence]
        if sequence.unread:
            running.read += len(segment.tokens)
            sequence.unread -= len(segment.tokens)
            self._kv_cache.share(running.table, running.tokens[: running.read])
        else:
            running.read += len(chosen)
            if running.lookup and running.guesses:
                running.lookup.learn(len(running.guesses), len(chosen) - 1)
        tokens = [token for token in chosen if token is not None]
        running.tokens += tokens
        running.guesses = []
        if running.lookup:
            running.lookup.add(tokens)


def _likeliest(logits: torch.Tensor) -> list[int | None]:
    """Return the likeliest token of each row, ``None`` where the largest number is not finite."""
    if not len(logits):
        return []
    best, tokens = logits.max(dim=-1)
    # One copy from the GPU for all rows, because each waits for the whole pass.
    found: list[int] = tokens.where(torch.isfinite(best), -1).tolist()
    return [None if token < 0 else token for token in found]
