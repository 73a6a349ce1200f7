"""Loads models and tokenizers, and renders prompts; shared by serving, training and evaluation.

Imports torch and transformers, so import it only where a model is needed.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from transformers.utils import logging as transformers_logging

from bot.domain.errors import ArtifactError
from bot.inference.weights import read_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from bot.domain.questions import ChatMessage

LONGEST_CONTEXT = 32_768
"""Upper bound of the context length, whatever ``config.json`` says."""


# Our own progress bars replace them.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers has no types there


@contextmanager
def wrapping_model() -> Iterator[None]:
    """Silence one warning while peft wraps a model: peft 0.21 reads an attribute that transformers 5 renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        yield


def pick_device() -> tuple[str, str]:
    """Return the device to compute on (``cuda`` or ``cpu``), and the reason for operators to read."""
    if torch.cuda.is_available():
        return "cuda", f"{torch.cuda.get_device_name(0)} found"
    return "cpu", f"no CUDA device found, {os.cpu_count() or 1} CPU cores"


def pick_dtype(setting: str, device: str) -> torch.dtype:
    """Return the dtype that ``settings.model.dtype`` names; for ``auto``, the one that is fast on this machine."""
    if setting == "auto":
        fast = _cuda_has_bfloat16() if device == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if setting == "bfloat16" else torch.float32


def load_model(path: Path, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """Load a chat model in evaluation mode, from safetensors only and without running code from its folder.

    :raises ArtifactError: transformers can't load the model.
    """
    from transformers import AutoModelForCausalLM

    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ArtifactError(
            f"Can't load the model {path}: {error}", hint="Fetch it again with `mentee model fetch`."
        ) from error
    model.requires_grad_(requires_grad=False)
    return model.to(device).eval()  # type: ignore[no-any-return] # as above


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer and chat template; it pads on the left, as batched generation needs.

    :raises ArtifactError: it is missing or invalid, or has no chat template.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = _tokenizer_class(path).from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ArtifactError(
            f"Can't load the tokenizer of {path}: {error}", hint="Fetch it again with `mentee model fetch`."
        ) from error
    if not tokenizer.chat_template:
        raise ArtifactError(
            f"The model {path} has no chat template.", hint="Fetch it with `mentee model fetch`, which adds one."
        )
    tokenizer.padding_side = "left"
    return tokenizer


def context_tokens(path: Path) -> int:
    """Return a model's context length in tokens, for prompt and answer together.

    :raises ArtifactError: its configuration can't be read.
    """
    return min(int(read_config(path).get("max_position_embeddings") or LONGEST_CONTEXT), LONGEST_CONTEXT)


def end_tokens(path: Path, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids of the tokens that end an answer.

    :raises ArtifactError: the model's configuration can't be read.
    """
    try:
        configured = json.loads((path / "generation_config.json").read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        configured = read_config(path).get("eos_token_id")
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None)


def render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[ChatMessage], *, add_generation_prompt: bool = True
) -> str:
    """Return the prompt as text, in the model's chat format.

    Messages are data: a control token spelled out in one (``<|im_end|>``) is broken up, so that a document or a
    question can't start a turn.
    """
    rows = [{"role": message.role, "content": plain(tokenizer, message.content)} for message in messages]
    text = tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=add_generation_prompt)
    return str(text)


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of a rendered prompt, which has all its special tokens from the chat template."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def plain(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return the text with the tokenizer's control tokens broken up by a space after their first character."""
    pattern = _control_tokens(tuple(sorted(_special_texts(tokenizer), key=len, reverse=True)))
    return pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text) if pattern else text


def _tokenizer_class(path: Path) -> Any:
    """Return the class to load a tokenizer with; ``AutoTokenizer`` takes a second to import, so it is avoided."""
    try:
        raw = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
        plain = raw.get("tokenizer_class") == "PreTrainedTokenizerFast" and (path / "tokenizer.json").is_file()
    except (OSError, ValueError, AttributeError):
        plain = False
    if plain:
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def _special_texts(tokenizer: Any) -> set[str]:
    return {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special and len(str(token)) > 1}


@lru_cache(maxsize=8)
def _control_tokens(texts: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(re.escape(text) for text in texts)) if texts else None


def _cuda_has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _cpu_has_bfloat16() -> bool:
    # Without these instructions bfloat16 is emulated and slower than float32 (measured; docs/decisions).
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))
