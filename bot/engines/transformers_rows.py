"""Running answers on a model as transformers computes it: for whatever is not Llama-shaped."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch

from bot.engines.adapters import insert, linear_shapes, read_adapter
from bot.engines.batch import Batch
from bot.engines.choice import Chooser, keep_reserved
from bot.engines.decoder.shape import PIECES
from bot.engines.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel
    from transformers.cache_utils import Cache

    from bot.engines.adapters import Adapter
    from bot.engines.identity import ModelIdentity
    from bot.engines.scheduler import Job

ADAPTERS = 16
"""Adapters kept ready; beyond that the one unused for longest goes."""

BASE = "__base__"
"""peft's name for "no adapter" in a mixed batch."""


class AdapterHost:
    """Adapters in one model: chosen per row, the least recently used let go.

    :param limit: adapters kept loaded.
    """

    def __init__(self, model: PreTrainedModel, *, limit: int) -> None:
        self._model = model
        self._limit = limit
        self._wrapped: PeftModel | None = None
        self._names: OrderedDict[str, str] = OrderedDict()
        self._made = 0
        self._mode: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions loaded now."""
        return tuple(self._names)

    def load(self, adapter: Adapter, in_use: Sequence[str]) -> None:
        """Make an adapter ready.

        :param in_use: versions that must stay.
        :raises ArtifactError: it is refused; those loaded stay as they are.
        """
        if adapter.version in self._names:
            self._names.move_to_end(adapter.version)
            return
        # peft's names may hold no dot; a number never used before cannot meet a stale cache.
        name = f"adapter{self._made}"
        self._made += 1
        self._mode = None
        self._wrapped = insert(self._wrapped or self._model, adapter, name, self._model.dtype)
        self._names[adapter.version] = name
        # Deleting the active one would silently make another one active, and peft warns of it.
        self._wrapped.set_adapter(name, inference_mode=True)
        for version in [v for v in self._names if v not in in_use and v != adapter.version]:
            if len(self._names) <= self._limit:
                break
            self._wrapped.delete_adapter(self._names.pop(version))

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
        return output.logits[:, -1].float()  # type: ignore[no-any-return]

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
            # Loading and deleting may make another adapter active, so this is said each time the mode changes.
            self._wrapped.set_adapter(slot or next(iter(self._names.values())), inference_mode=True)
        self._mode = slot


class TransformersRows:
    """Implements :class:`bot.engines.scheduler.Rows` with transformers and peft. Reads each prompt whole.

    So its ``pieces`` only say how many prompts it reads together.
    """

    pieces = PIECES

    def __init__(self, model: PreTrainedModel, base: ModelIdentity) -> None:
        shapes = linear_shapes(model)
        self.shelf = Shelf(lambda ref: read_adapter(ref, base, shapes), ADAPTERS)
        self._host = AdapterHost(model, limit=ADAPTERS)
        self._batch = Batch(self._host.forward, model.device)
        self._jobs: list[Job] = []
        self._last: dict[Job, int | None] = {}
        self._choosers: dict[Job, Chooser] = {}

    def admit(self, job: Job) -> bool:
        """Begin an answer; there is always room."""
        if job.fetched is not None:
            in_use = [other.adapter.version for other in self._choosers if other.adapter]
            self._host.load(job.fetched, in_use)
        self._choosers[job] = Chooser(job.temperature, job.seed)
        job.unread = len(job.prompt)
        return True

    def step(self, work: Sequence[tuple[Job, int]]) -> list[list[int | None]]:
        """Read the whole prompt of each job that has tokens left to read, and continue the other answers."""
        self._forget(keep={job for job, count in work if not count})
        new = [job for job, count in work if count]
        logits: dict[Job, torch.Tensor] = {}
        if self._jobs:
            stepped = self._batch.step([self._last[job] or 0 for job in self._jobs])
            logits |= zip(self._jobs, stepped, strict=True)
        if new:
            names = [job.adapter.version if job.adapter else None for job in new]
            logits |= zip(new, self._batch.add([job.prompt for job in new], names), strict=True)
            self._jobs += new
        for job in new:
            job.unread = 0
            if job.reserved:
                keep_reserved(logits[job], job.reserved)
        for job, row in logits.items():
            self._last[job] = self._choosers[job](row) if bool(torch.isfinite(row.max())) else None
        return [[self._last[job]] for job, _ in work]

    def release(self, job: Job) -> None:
        """Let an answer go."""
        self._choosers.pop(job, None)
        self._last.pop(job, None)
        self._forget(keep=set(self._choosers))

    def _forget(self, keep: set[Job]) -> None:
        rows = [row for row, job in enumerate(self._jobs) if job in keep]
        if len(rows) < len(self._jobs):
            self._batch.keep(rows)
            self._jobs = [self._jobs[row] for row in rows]
