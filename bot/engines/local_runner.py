"""The model, its adapters and the running batch behind the local engine. Only the scheduler's thread comes in here."""

from __future__ import annotations

import gc
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from bot.engines.adapters import Shapes, insert, linear_shapes, read_adapter
from bot.engines.batch import Batch
from bot.engines.loading import (
    context_tokens,
    encode,
    end_tokens,
    load_model,
    load_tokenizer,
    pick_device,
    pick_dtype,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.cache_utils import Cache

    from bot.engines.identity import ModelIdentity
    from bot.engines.scheduler import Job
    from bot.messages import ChatMessage
    from bot.protocols import AdapterRef

BASE = "__base__"
"""peft's name for "no adapter" in a mixed batch."""


class AdapterHost:
    """Adapters in one model: loaded on demand, chosen per row, the least recently used let go.

    :param limit: adapters kept loaded.
    """

    def __init__(self, model: PreTrainedModel, base: ModelIdentity, *, limit: int = 16) -> None:
        self._model = model
        self._base = base
        self._limit = limit
        self._shapes: Shapes = linear_shapes(model)
        self._wrapped: PeftModel | None = None
        self._names: OrderedDict[str, str] = OrderedDict()
        self._made = 0
        self._mode: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions loaded now."""
        return tuple(self._names)

    def load(self, ref: AdapterRef, in_use: Sequence[str]) -> None:
        """Make an adapter ready.

        :param in_use: versions that must stay.
        :raises ArtifactError: it is refused; those loaded stay as they are.
        """
        if ref.version in self._names:
            self._names.move_to_end(ref.version)
            return
        adapter = read_adapter(ref, self._base, self._shapes)
        # peft's names may hold no dot; a number never used before cannot meet a stale cache.
        name = f"adapter{self._made}"
        self._made += 1
        self._mode = None
        self._wrapped = insert(self._wrapped or self._model, adapter, name, self._model.dtype)
        self._names[ref.version] = name
        # Deleting the active one would silently make another one active, and peft warns of it.
        self._wrapped.set_adapter(name, inference_mode=True)
        for version in [v for v in self._names if v not in in_use and v != ref.version]:
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


class LocalRunner:
    """Implements :class:`bot.engines.scheduler.Runner`.

    :param dtype: ``auto``, ``float32`` or ``bfloat16``.
    :param threads: CPU threads of torch.
    """

    def __init__(self, path: Path, base: ModelIdentity, *, dtype: str, threads: int) -> None:
        self._path = path
        self._base = base
        self._threads = threads
        self.device, self.device_reason = pick_device()
        self._dtype = pick_dtype(dtype, self.device)
        self.ends: frozenset[int] = frozenset()
        self._host: AdapterHost | None = None
        self._batch: Batch | None = None
        self._jobs: list[Job] = []
        self._random: list[torch.Generator | None] = []

    @property
    def dtype_name(self) -> str:
        """Return the dtype served in."""
        return str(self._dtype).removeprefix("torch.")

    @cached_property
    def context_tokens(self) -> int:
        """Return how many tokens prompt and answer may have together."""
        from transformers import AutoConfig

        return context_tokens(AutoConfig.from_pretrained(self._path, local_files_only=True, trust_remote_code=False))

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return the model's tokenizer."""
        return load_tokenizer(self._path)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the token ids of a prompt."""
        return encode(self.tokenizer, render(self.tokenizer, messages))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def load(self) -> None:
        """Load the model into the thread that calls."""
        torch.set_num_threads(self._threads)
        model = load_model(self._path, self._dtype, self.device)
        self.ends = end_tokens(model, self.tokenizer)
        self.context_tokens  # noqa: B018 - read now, so that no question waits for it
        self._host = AdapterHost(model, self._base)
        self._batch = Batch(self._host.forward, model.device)

    def prepare(self, job: Job, running: Sequence[Job]) -> None:
        """Load the job's adapter, or raise."""
        if job.adapter is not None:
            assert self._host is not None
            self._host.load(job.adapter, [other.adapter.version for other in running if other.adapter])

    def add(self, jobs: Sequence[Job]) -> list[int | None]:
        """Read prompts into new rows at the end and return the first tokens."""
        assert self._batch is not None
        names = [job.adapter.version if job.adapter else None for job in jobs]
        logits = self._batch.add([job.prompt for job in jobs], names)
        self._jobs += jobs
        random = [_generator(job.seed) if job.temperature > 0 else None for job in jobs]
        self._random += random
        return _choose(logits, jobs, random)

    def step(self, tokens: Sequence[int]) -> list[int | None]:
        """Append one token to each row and return the next ones."""
        assert self._batch is not None
        return _choose(self._batch.step(tokens), self._jobs, self._random)

    def keep(self, rows: Sequence[int]) -> None:
        """Let all other rows go."""
        assert self._batch is not None
        self._batch.keep(rows)
        self._jobs = [self._jobs[row] for row in rows]
        self._random = [self._random[row] for row in rows]

    def close(self) -> None:
        """Free the model."""
        self._host = self._batch = None
        self._jobs, self._random = [], []
        if self.device == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def _generator(seed: int) -> torch.Generator:
    # One per row and always on the CPU: the same request draws the same numbers alone and in any batch.
    return torch.Generator().manual_seed(seed)


def _choose(logits: torch.Tensor, jobs: Sequence[Job], random: Sequence[torch.Generator | None]) -> list[int | None]:
    """Choose each row's next token: the likeliest, or drawn at the job's temperature; ``None`` for broken numbers."""
    best, tokens = logits.max(dim=-1)
    sound = torch.isfinite(best).tolist()
    chosen: list[int | None] = [token if ok else None for token, ok in zip(tokens.tolist(), sound, strict=True)]
    for row, generator in enumerate(random):
        if generator is not None and sound[row]:
            chances = torch.softmax(logits[row].cpu() / jobs[row].temperature, dim=-1)
            chosen[row] = int(torch.multinomial(chances, 1, generator=generator))
    return chosen
