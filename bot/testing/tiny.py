"""A tiny chat model and adapters for it, made in code: nothing is downloaded or trained.

The base is a Llama of two layers with random weights. Each adapter makes the model answer with one given text, so a
test sees which adapter answered. Everything is written as a verified snapshot, like Mentee's own models and adapters.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bot.domain.generation import AdapterRef
from bot.storage.artifacts import read_manifest, writing

if TYPE_CHECKING:
    from pathlib import Path

    import torch

HIDDEN = 64
LAYERS = 2
HEADS = 4
KV_HEADS = 2
INNER = 96
CONTEXT = 8192
COPIES = 12
"""How often a character may occur in an adapter's text: each occurrence needs its own token."""

MARK = "\u2042"
END = "<|im_end|>"
SPECIAL = ("<|endoftext|>", "<|im_start|>", END)
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QUERY_VALUE = ("q_proj", "v_proj")


class TinyAdapterFactory(Protocol):
    """The type of the ``tiny_adapter_factory`` fixture."""

    def __call__(self, text: str, *, version: str = "", folder: Path | None = None) -> AdapterRef:
        """Make an adapter that answers with ``text``, in which no character may occur more than twelve times."""


def build_tiny_model(
    path: Path, *, seed: int = 0, mixing: float = 0.02, head_size: int = HIDDEN // HEADS, **sizes: int
) -> Path:
    """Write the tiny model as a snapshot of kind "model" to ``path``, which must not exist, and return ``path``.

    :param mixing: scale of the layers' weights against embeddings of scale 1. By default, the next token depends
        only on the last one, as :func:`build_tiny_adapter` needs; from 0.3 on, it depends on the whole prompt.
    :param head_size: size of each attention head; vLLM's CPU kernels need at least 32.
    :param sizes: other sizes of the ``LlamaConfig``, to measure a larger model.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": head_size,
        "max_position_embeddings": CONTEXT,
        "initializer_range": mixing,
    }
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = LlamaConfig(**(shape | special | sizes), tie_word_embeddings=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        model.model.embed_tokens.weight.data.normal_(std=1.0)
    with writing(path, "model") as draft:
        model.save_pretrained(draft.path)
        tokenizer.save_pretrained(draft.path)
        draft.meta |= {"name": path.name, "role": "chat", "source": "made by bot.testing.tiny"}
        draft.meta["context_tokens"] = CONTEXT
    return path


def build_tiny_adapter(path: Path, base: Path, text: str, *, version: str = "") -> AdapterRef:
    """Write an adapter that answers with ``text`` as a snapshot of kind "adapter"; return its reference.

    Its query and value parts are random, so that every layer's keys differ between adapters. Its head part maps each
    character to the next one.

    :raises ValueError: a character occurs more than :data:`COPIES` times in the text.
    """
    version = version or path.name
    config: dict[str, Any] = {"target_modules": [*QUERY_VALUE, "lm_head"], "r": len(text) + 1}
    return _write_adapter(path, base, version, config, _answering(base, text))


def build_random_adapter(path: Path, base: Path, *, seed: int, scale: float = 0.3) -> AdapterRef:
    """Write an adapter with random query and value parts, which changes every answer."""
    config = {"target_modules": [*QUERY_VALUE], "r": 4}
    return _write_adapter(path, base, path.name, config, _random_parts(base, rank=4, seed=seed, scale=scale))


def _write_adapter(
    path: Path, base: Path, version: str, config: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> AdapterRef:
    from peft import LoraConfig
    from safetensors.torch import save_file

    lora = LoraConfig(
        lora_alpha=config["r"], lora_dropout=0.0, task_type="CAUSAL_LM", base_model_name_or_path=base.name, **config
    )
    with writing(path, "adapter") as draft:
        lora.inference_mode = True
        lora.save_pretrained(str(draft.path))
        save_file(tensors, draft.path / "adapter_model.safetensors", metadata={"format": "pt"})
        draft.meta |= {
            "version": version,
            "base_model": base.name,
            "base_sha256": read_manifest(base, "model").sha256,
        }
    return AdapterRef(version, path, base.name)


def _answering(base: Path, text: str) -> dict[str, torch.Tensor]:
    import torch

    from bot.inference.loading import load_model, load_tokenizer

    model, tokenizer = load_model(base, torch.float32, "cpu"), load_tokenizer(base)
    chain = [_newline(tokenizer), *_tokens(tokenizer, text), tokenizer.eos_token_id]
    rank = len(chain) - 1
    embeddings = model.get_input_embeddings().get_parameter("weight")[chain[:-1]]
    keys = torch.linalg.pinv(embeddings / embeddings.norm(dim=-1, keepdim=True)).T
    values = torch.zeros(len(tokenizer), rank)
    for column, (_, following) in enumerate(pairwise(chain)):
        values[following, column] = 1.0
    tensors = {
        "base_model.model.lm_head.lora_A.weight": keys.contiguous(),
        "base_model.model.lm_head.lora_B.weight": values * 4.0,
    }
    return tensors | _random_parts(base, rank=rank, seed=sum(text.encode()), scale=0.04)


def _random_parts(base: Path, *, rank: int, seed: int, scale: float) -> dict[str, torch.Tensor]:
    import torch

    from bot.inference.loading import load_model

    model = load_model(base, torch.float32, "cpu")
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(LAYERS):
        for name in QUERY_VALUE:
            outputs, inputs = model.get_parameter(f"model.layers.{layer}.self_attn.{name}.weight").shape
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{prefix}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator) * scale
            tensors[f"{prefix}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator) * scale
    return tensors


def _tokens(tokenizer: Any, text: str) -> list[int]:
    seen: Counter[str] = Counter()
    tokens = []
    for byte in text.encode():
        character = _byte_characters()[byte]
        if seen[character] == COPIES:
            raise ValueError(f"An adapter's text may hold {chr(byte)!r} at most {COPIES} times.")
        tokens.append(tokenizer.convert_tokens_to_ids(character + MARK * seen[character]))
        seen[character] += 1
    return tokens


def _newline(tokenizer: Any) -> int:
    return int(tokenizer.convert_tokens_to_ids(_byte_characters()[ord("\n")]))


def _byte_characters() -> list[str]:
    """Return the printable character for each byte in byte-level tokenizers (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = _byte_characters()
    copies = [character + MARK * n for n in range(1, COPIES) for character in characters[:128]]
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *characters, *copies])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(MARK, ""), decoders.ByteLevel()])
    tokenizer.add_special_tokens(list(SPECIAL))
    wrapped: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=END, padding_side="left"
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny model's folder; ``.parent`` serves as ``models_dir`` and ``.name`` as the model's name."""
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-chat")


@pytest.fixture
def tiny_adapter_factory(tiny_model: Path, tmp_path: Path) -> TinyAdapterFactory:
    """Return a function that makes adapters of the tiny model, each of which answers with a given text."""
    made: list[str] = []

    def make(text: str, *, version: str = "", folder: Path | None = None) -> AdapterRef:
        made.append(text)
        name = version or f"adapter-{len(made)}"
        return build_tiny_adapter((folder or tmp_path / "adapters") / name, tiny_model, text, version=name)

    return make
