"""Models, tokenizers and prompts as tensors and tokens: shared by serving, training and evaluation.

Heavy at import (torch, transformers); import it only where a model is really needed.
"""

from __future__ import annotations

import os
import re
import warnings
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from bot.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from peft import PeftModel
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from bot.engines.identity import ModelIdentity
    from bot.messages import ChatMessage
    from bot.protocols import AdapterRef

LONGEST_CONTEXT = 32_768
"""Tokens after which a context length in a ``config.json`` is not believed."""


# Its bars are for notebooks; ours say what is loaded and appear where a person waits.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def wrapping_model() -> Iterator[None]:
    """Silence one warning while peft wraps a model: peft 0.21 reads an attribute that transformers 5 renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        yield


def pick_device() -> tuple[str, str]:
    """Return the device to compute on (``cuda`` or ``cpu``) and the reason, worded for operators."""
    if torch.cuda.is_available():
        return "cuda", f"{torch.cuda.get_device_name(0)} found"
    return "cpu", f"no CUDA device found, {os.cpu_count() or 1} CPU cores"


def pick_dtype(setting: str, device: str) -> torch.dtype:
    """Return the dtype that ``settings.model.dtype`` names, and for ``auto`` the one the machine is fast in."""
    if setting == "auto":
        fast = _cuda_has_bfloat16() if device == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if setting == "bfloat16" else torch.float32


def load_model(path: Path, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """Load a chat model in evaluation mode, from safetensors only and without running any code of its own.

    :raises ArtifactError: transformers cannot build the model from this folder.
    """
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
            f"The model {path} cannot be loaded: {error}", hint="Fetch it again with `mentee model fetch`."
        ) from error
    model.requires_grad_(requires_grad=False)
    return model.to(device).eval()  # type: ignore[no-any-return]


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer with its chat template; it pads on the left, as batched generation needs.

    :raises ArtifactError: there is none, it cannot be read, or it has no chat template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ArtifactError(
            f"The tokenizer of {path} cannot be loaded: {error}", hint="Fetch it again with `mentee model fetch`."
        ) from error
    if not tokenizer.chat_template:
        raise ArtifactError(
            f"The model {path} has no chat template.", hint="Fetch it with `mentee model fetch`, which adds one."
        )
    tokenizer.padding_side = "left"
    return tokenizer


def context_tokens(config: PreTrainedConfig) -> int:
    """Return how many tokens a model with this configuration can take, prompt and answer together."""
    return min(int(getattr(config, "max_position_embeddings", None) or LONGEST_CONTEXT), LONGEST_CONTEXT)


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids that end an answer."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None)


def render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[ChatMessage], *, add_generation_prompt: bool = True
) -> str:
    """Return the prompt as text, in the model's own chat format.

    The messages' texts are data: a control token spelled out in one (``<|im_end|>``) is broken up, so that a document
    or a question cannot open a turn of its own.
    """
    rows = [{"role": message.role, "content": plain(tokenizer, message.content)} for message in messages]
    text = tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=add_generation_prompt)
    return str(text)


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of a rendered prompt; the chat template has put in every special token already."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def plain(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return the text with the tokenizer's control tokens broken up by a space after their first character."""
    pattern = _control_tokens(tuple(sorted(_special_texts(tokenizer), key=len, reverse=True)))
    return pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text) if pattern else text


def attach_adapter(model: PreTrainedModel | PeftModel, ref: AdapterRef, base: ModelIdentity | None = None) -> PeftModel:
    """Verify an adapter, put it into the model and make it the only one; return the model as a ``PeftModel``.

    What runs then is what the engine serves for this adapter: unmerged, in the model's dtype. Attaching another one
    later replaces it.

    :param base: what the adapter must have been made for; by default the model in the folder it was loaded from.
    :raises ArtifactError: the adapter is altered, unsound or made for another base model.
    """
    from bot.engines.adapters import insert, linear_shapes, read_adapter
    from bot.engines.identity import model_identity

    base = base or model_identity(Path(str(model.name_or_path)))
    adapter = read_adapter(ref, base, linear_shapes(model))
    before = list(model.peft_config) if hasattr(model, "get_base_model") else []
    # peft's names may hold no dot, and a version may.
    name = next(name for n in count() if (name := f"attached{n}") not in before)
    wrapped = insert(model, adapter, name, model.dtype)
    wrapped.set_adapter(name, inference_mode=True)
    for old in before:
        wrapped.delete_adapter(old)
    return wrapped


def generate_batch(  # noqa: PLR0913, PLR0917 - the knobs of one evaluation
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    list_of_messages: Sequence[Sequence[ChatMessage]],
    max_new_tokens: int,
    batch_size: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Answer many prompts greedily with the model as it is (its active adapter included); return texts in order.

    Uses the same decoding as the engine, so what is measured is what is served. Prompts of like length share a batch.

    :param on_progress: called with (answers done, answers in all) after each batch.
    :raises EngineError: a prompt does not fit into the model's context.
    """
    from bot.engines.batch import greedy_batch

    prompts = [encode(tokenizer, render(tokenizer, messages)) for messages in list_of_messages]
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    texts = [""] * len(prompts)
    was_training = model.training
    model.train(mode=False)
    try:
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            answers = greedy_batch(model, [prompts[i] for i in part], max_new_tokens, end_tokens(model, tokenizer))
            for i, ids in zip(part, answers, strict=True):
                texts[i] = str(tokenizer.decode(ids, skip_special_tokens=True)).strip()
            if on_progress:
                on_progress(min(start + batch_size, len(order)), len(order))
    finally:
        model.train(was_training)
    return texts


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
