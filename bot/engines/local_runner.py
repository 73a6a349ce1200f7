"""A model on this machine: its tokenizer, and the rows that the fastest sound way of computing it gives."""

from __future__ import annotations

import gc
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
import torch

from bot.engines.decoder.native import NativeDecoder, fast_flags
from bot.engines.decoder.shape import PAGE, layer_shapes, read_shape
from bot.engines.decoder.tensors import TensorDecoder
from bot.engines.decoder.weights import read_weights
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
from bot.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

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
        return context_tokens(self.path)

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
        self.ends = end_tokens(self.path, self.tokenizer)
        decoder = self._decoder()
        if decoder is None:
            from bot.engines.transformers_rows import TransformersRows

            return TransformersRows(load_model(self.path, self._dtype, self.device), self._base)
        self.dtype_name = decoder.dtype_name
        most = max(1, self._cache_bytes // decoder.page_bytes)
        # Never less than one whole context: a prompt that is allowed must find room.
        pages = max(most, -(-self.context_tokens // PAGE))
        return DecoderRows(decoder, self._base, layer_shapes(decoder.shape), pages=pages)

    def _decoder(self) -> Decoder | None:
        weights = read_weights(self.path)
        shape = read_shape(weights, self.context_tokens) if weights else None
        if weights is None or shape is None:
            return None
        if self.device == "cpu" and (self._setting == "int8" or (self._setting == "auto" and fast_flags() is not None)):
            try:
                return NativeDecoder(weights, shape, threads=self._threads)
            except EngineError as error:
                if self._setting == "int8":
                    raise
                log.warning("int8_not_available", reason=str(error), served_in=self.dtype_name)
        return TensorDecoder(weights.to(self.device, self._dtype), shape)

    def close(self) -> None:
        """Free the model's memory, and its keys' and values': a decoder that records its steps refers to itself."""
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
