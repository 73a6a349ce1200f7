"""The backend for models that our decoders don't cover: transformers and peft compute them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from cachetools import LRUCache

from bot.inference.local.adapter_cache import AdapterCache
from bot.inference.local.adapters import insert, linear_shapes, read_adapter
from bot.inference.local.backends.batch import Batch
from bot.inference.local.model_config import PREFILL_CHUNKS
from bot.inference.local.sampling import Sampler, mask_reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel
    from transformers.cache_utils import Cache

    from bot.inference.fingerprint import ModelFingerprint
    from bot.inference.local.adapters import Adapter
    from bot.inference.local.sequences import GenerationSequence

ADAPTERS = 16
"""Adapters kept loaded, unless more are in use."""

BASE = "__base__"
"""peft's name for "no adapter" in a mixed batch."""


class PeftAdapters:
    """LoRA adapters in one model, chosen per row. The least recently used ones that no answer uses are unloaded.

    :param limit: adapters kept loaded.
    """

    def __init__(self, model: PreTrainedModel, *, limit: int) -> None:
        self._model = model
        self._limit = limit
        self._wrapped: PeftModel | None = None
        self._names: LRUCache[str, str] = LRUCache(math.inf)  # by version; bounded by load(), which knows what's in use
        self._made = 0
        self._mode: str | None = None

    @property
    def versions(self) -> set[str]:
        return set(self._names)

    def load(self, adapter: Adapter, in_use: Sequence[str]) -> None:
        """Load an adapter.

        :param in_use: versions that must stay.
        :raises ArtifactError: it is refused; those loaded stay as they are.
        """
        if self._names.get(adapter.version):
            return
        # A peft name must not contain dots; a number never used before can't meet a stale cache.
        name = f"adapter{self._made}"
        self._made += 1
        self._mode = None
        self._wrapped = insert(self._wrapped or self._model, adapter, name, self._model.dtype)
        # Deleting the active one would silently make another one active, and peft warns of it.
        self._wrapped.set_adapter(name, inference_mode=True)
        pinned = {version for version in in_use if version in self._names}
        for version in pinned:
            self._names.get(version)  # counts as a use
        while len(self._names) >= max(self._limit, len(pinned) + 1):
            _, oldest = self._names.popitem()
            self._wrapped.delete_adapter(oldest)
        self._names[adapter.version] = name

    def forward(self, *, names: Sequence[str | None], cache: Cache, **inputs: torch.Tensor) -> torch.Tensor:
        """Run the model, each row with the adapter version named for it; return the last logits as float32."""
        arguments: dict[str, Any] = {**inputs, "past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
        slots = [self._names[version] if version else BASE for version in names]
        if self._wrapped is None:
            output = self._model(**arguments)
        elif len(set(slots)) == 1:
            self._set_all(slots[0])
            output = self._model(**arguments)
        else:
            self._set_all("")
            output = self._wrapped(**arguments, adapter_names=slots)
        return output.logits[:, -1].float()  # type: ignore[no-any-return] # a model of transformers has no types

    def _set_all(self, slot: str) -> None:
        """Make one adapter, or none, active for whole batches, which is faster than choosing row by row."""
        if slot == self._mode:
            return
        assert self._wrapped is not None
        tuner: Any = self._wrapped.base_model
        if slot == BASE:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            # Loading and deleting may activate another adapter, so set it whenever the mode changes.
            self._wrapped.set_adapter(slot or next(iter(self._names.values())), inference_mode=True)
        self._mode = slot


class TransformersBackend:
    """Implements :class:`bot.inference.local.sequences.Backend` with transformers and peft.

    It reads each prompt whole; ``prefill_chunks`` only says how many prompts it reads together.
    """

    prefill_chunks = PREFILL_CHUNKS

    def __init__(self, model: PreTrainedModel, base: ModelFingerprint) -> None:
        shapes = linear_shapes(model)
        self.adapters = AdapterCache(lambda ref: read_adapter(ref, base, shapes), ADAPTERS)
        self._peft = PeftAdapters(model, limit=ADAPTERS)
        self._batch = Batch(self._peft.forward, model.device)
        self._sequences: list[GenerationSequence] = []
        self._last: dict[GenerationSequence, int | None] = {}
        self._samplers: dict[GenerationSequence, Sampler] = {}

    def admit(self, sequence: GenerationSequence) -> bool:
        """Add a sequence; there is always room."""
        if sequence.loaded_adapter is not None:
            in_use = [other.adapter.version for other in self._samplers if other.adapter]
            self._peft.load(sequence.loaded_adapter, in_use)
        self._samplers[sequence] = Sampler(sequence.temperature, sequence.seed)
        sequence.unread = len(sequence.prompt)
        return True

    def step(self, work: Sequence[tuple[GenerationSequence, int]]) -> list[list[int | None]]:
        """Read the whole prompt of each sequence that has tokens left to read, and continue the other answers."""
        self._forget(keep={sequence for sequence, count in work if not count})
        new = [sequence for sequence, count in work if count]
        logits: dict[GenerationSequence, torch.Tensor] = {}
        if self._sequences:
            stepped = self._batch.step([self._last[sequence] or 0 for sequence in self._sequences])
            logits |= zip(self._sequences, stepped, strict=True)
        if new:
            names = [sequence.adapter.version if sequence.adapter else None for sequence in new]
            logits |= zip(new, self._batch.add([sequence.prompt for sequence in new], names), strict=True)
            self._sequences += new
        for sequence in new:
            sequence.unread = 0
            if sequence.reserved:
                mask_reserved(logits[sequence], sequence.reserved)
        for sequence, row in logits.items():
            self._last[sequence] = self._samplers[sequence](row) if bool(torch.isfinite(row.max())) else None
        return [[self._last[sequence]] for sequence, _ in work]

    def release(self, sequence: GenerationSequence) -> None:
        self._samplers.pop(sequence, None)
        self._last.pop(sequence, None)
        self._forget(keep=set(self._samplers))

    def _forget(self, keep: set[GenerationSequence]) -> None:
        rows = [row for row, sequence in enumerate(self._sequences) if sequence in keep]
        if len(rows) < len(self._sequences):
            self._batch.keep(rows)
            self._sequences = [self._sequences[row] for row in rows]
