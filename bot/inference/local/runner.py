"""A model on this machine: its tokenizer, and the fastest backend that computes it."""

from __future__ import annotations

import gc
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
import torch

from bot.domain.errors import EngineError
from bot.inference.loading import (
    context_tokens,
    encode,
    end_tokens,
    load_model,
    load_tokenizer,
    pick_device,
    pick_dtype,
    render,
)
from bot.inference.local.backends.decoder_backend import DecoderBackend
from bot.inference.local.backends.native import NativeDecoder, fast_flags
from bot.inference.local.backends.pytorch import TensorDecoder
from bot.inference.local.model_config import PAGE, layer_shapes, read_model_config
from bot.inference.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from bot.domain.questions import ChatMessage
    from bot.inference.fingerprint import ModelFingerprint
    from bot.inference.local.model_config import Decoder
    from bot.inference.local.sequences import Backend

log = structlog.get_logger(__name__)


class LocalRunner:
    """Implements :class:`bot.inference.local.sequences.Runner`.

    :param dtype: ``auto``, ``int8``, ``float32`` or ``bfloat16``.
    :param threads: CPU threads.
    :param cache_bytes: memory for the KV cache, for running answers and for prompts read before.
    """

    def __init__(self, path: Path, base: ModelFingerprint, *, dtype: str, threads: int, cache_bytes: int) -> None:
        self.path = path
        self._base = base
        self._threads = threads
        self._cache_bytes = cache_bytes
        self._setting = dtype
        self.device, self.device_reason = pick_device()
        self._dtype = pick_dtype(dtype, self.device)
        self.dtype_name = str(self._dtype).removeprefix("torch.")
        self.ends: frozenset[int] = frozenset()
        self._by_transformers = False

    @cached_property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""
        return context_tokens(self.path)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.path)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self.encode_text(render(self.tokenizer, messages))

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of a text, including control tokens."""
        return encode(self.tokenizer, text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def load(self) -> Backend:
        """Load the model in the calling thread and return the fastest backend for it."""
        torch.set_num_threads(self._threads)
        self.ends = end_tokens(self.path, self.tokenizer)
        decoder = self._decoder()
        if decoder is None:
            from bot.inference.local.backends.transformers_backend import TransformersBackend

            self._by_transformers = True
            return TransformersBackend(load_model(self.path, self._dtype, self.device), self._base)
        self.dtype_name = decoder.dtype_name
        most = max(1, self._cache_bytes // decoder.page_bytes)
        # At least one whole context, so that every allowed prompt finds room.
        pages = max(most, -(-self.context_tokens // PAGE))
        return DecoderBackend(decoder, self._base, layer_shapes(decoder.config), pages=pages)

    def _decoder(self) -> Decoder | None:
        weights = read_weights(self.path)
        config = read_model_config(weights, self.context_tokens) if weights else None
        if weights is None or config is None:
            return None
        if self.device == "cpu" and (self._setting == "int8" or (self._setting == "auto" and fast_flags() is not None)):
            try:
                return NativeDecoder(weights, config, threads=self._threads)
            except EngineError as error:
                if self._setting == "int8":
                    raise
                log.warning("int8_not_available", reason=str(error), served_in=self.dtype_name)
        return TensorDecoder(weights.to(self.device, self._dtype), config)

    def close(self) -> None:
        """Free the memory of the model and its KV cache."""
        if self._by_transformers:
            gc.collect()  # such a model refers to itself; in a large process this takes a second
        if self.device == "cuda":
            torch.cuda.empty_cache()
