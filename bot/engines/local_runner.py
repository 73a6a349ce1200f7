"""A model on this machine: its tokenizer, and the rows that the fastest sound way of computing it gives."""

from __future__ import annotations

import gc
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
import torch

from bot.engines.adapters import linear_shapes
from bot.engines.decoder.native import NativeDecoder, fast_flags
from bot.engines.decoder.shape import PAGE, read_shape
from bot.engines.decoder.tensors import TensorDecoder
from bot.engines.decoder_rows import DecoderRows
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
from bot.engines.transformers_rows import TransformersRows
from bot.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from bot.engines.decoder.shape import Decoder
    from bot.engines.identity import ModelIdentity
    from bot.engines.scheduler import Rows
    from bot.messages import ChatMessage

log = structlog.get_logger(__name__)


class LocalRunner:
    """Implements :class:`bot.engines.scheduler.Runner`.

    :param dtype: ``auto``, ``int8``, ``float32`` or ``bfloat16``.
    :param threads: CPU threads.
    :param cache_bytes: memory for keys and values, of running answers and of prompts read before.
    """

    def __init__(self, path: Path, base: ModelIdentity, *, dtype: str, threads: int, cache_bytes: int) -> None:
        self.path = path
        self._base = base
        self._threads = threads
        self._cache_bytes = cache_bytes
        self._setting = dtype
        self.device, self.device_reason = pick_device()
        self._dtype = pick_dtype(dtype, self.device)
        self.dtype_name = str(self._dtype).removeprefix("torch.")
        self.ends: frozenset[int] = frozenset()

    @cached_property
    def context_tokens(self) -> int:
        """Return how many tokens prompt and answer may have together."""
        from transformers import AutoConfig

        return context_tokens(AutoConfig.from_pretrained(self.path, local_files_only=True, trust_remote_code=False))

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return the model's tokenizer."""
        return load_tokenizer(self.path)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the token ids of a prompt."""
        return self.encode_text(render(self.tokenizer, messages))

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of a text, control tokens in it included."""
        return encode(self.tokenizer, text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def load(self) -> Rows:
        """Load the model into the thread that calls, and return the fastest sound rows for it."""
        torch.set_num_threads(self._threads)
        model = load_model(self.path, self._dtype, self.device)
        self.ends = end_tokens(model, self.tokenizer)
        decoder = self._decoder(model)
        if decoder is None:
            return TransformersRows(model, self._base)
        self.dtype_name = decoder.dtype_name
        most = max(1, self._cache_bytes // decoder.page_bytes)
        # Never less than one whole context: a prompt that is allowed must find room.
        pages = max(most, -(-self.context_tokens // PAGE))
        return DecoderRows(decoder, self._base, linear_shapes(model), pages=pages)

    def _decoder(self, model: PreTrainedModel) -> Decoder | None:
        shape = read_shape(model, self.context_tokens)
        if shape is None:
            return None
        if self.device == "cpu" and (self._setting == "int8" or (self._setting == "auto" and fast_flags() is not None)):
            try:
                return NativeDecoder(model, shape, threads=self._threads)
            except EngineError as error:
                if self._setting == "int8":
                    raise
                log.warning("int8_not_available", reason=str(error), served_in=self.dtype_name)
        return TensorDecoder(model, shape)

    def close(self) -> None:
        """Free the memory of a GPU."""
        if self.device == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
