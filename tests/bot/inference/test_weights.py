"""A model read from its files is the model that transformers builds from them, and takes none of its seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from bot.domain.errors import ArtifactError
from bot.inference.loading import end_tokens, load_tokenizer
from bot.inference.local.backends.pytorch import TensorDecoder
from bot.inference.local.model_config import ModelConfig, Segment, read_model_config
from bot.inference.weights import Weights, read_config, read_weights
from bot.testing.tiny import build_tiny_adapter

if TYPE_CHECKING:
    from pathlib import Path

SIZES: dict[str, Any] = {
    "vocab_size": 250,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
STRETCHES = [
    {"rope_type": "linear", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    {
        "rope_type": "llama3",
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    },
]
MODELS = [
    (LlamaForCausalLM, LlamaConfig(**SIZES)),
    (LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True, attention_bias=True)),
    (LlamaForCausalLM, LlamaConfig(**SIZES, mlp_bias=True)),
    *((LlamaForCausalLM, LlamaConfig(**SIZES, rope_parameters={"rope_theta": 1e4, **each})) for each in STRETCHES),
    (Qwen2ForCausalLM, Qwen2Config(**SIZES)),
    (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=None)),
]
IDS = torch.randint(0, 250, (60,), generator=torch.Generator().manual_seed(1)).tolist()


def weights_of(folder: Path) -> Weights:
    weights = read_weights(folder)
    assert weights is not None
    return weights


def config_of(weights: Weights) -> ModelConfig:
    config = read_model_config(weights, 512)
    assert config is not None
    return config


def save(folder: Path, cls: Any, config: Any, **options: Any) -> Path:
    torch.manual_seed(0)
    cls(config).save_pretrained(folder, **options)
    return folder


@pytest.mark.parametrize(("cls", "config"), MODELS)
@pytest.mark.parametrize("options", [{}, {"max_shard_size": "50KB"}], ids=["one file", "shards"])
@torch.inference_mode()
def test_a_model_read_from_its_files_computes_what_transformers_computes(
    tmp_path: Path, cls: Any, config: Any, options: dict[str, Any]
) -> None:
    save(tmp_path, cls, config, **options)
    weights = weights_of(tmp_path)
    decoder = TensorDecoder(weights.to("cpu", torch.float32), config_of(weights))
    decoder.reserve(2)
    wanted = AutoModelForCausalLM.from_pretrained(tmp_path)(torch.tensor([IDS])).logits[0]
    found = decoder.forward([Segment(IDS, 0, [0, 1], wanted=len(IDS))])
    assert float((found - wanted).norm() / wanted.norm()) < 1e-4


def test_a_configuration_that_leaves_something_to_defaults_is_completed(tmp_path: Path) -> None:
    save(tmp_path, *MODELS[0])
    whole = read_config(tmp_path)
    path = tmp_path / "config.json"
    said = json.loads(path.read_text())
    del said["rms_norm_eps"], said["hidden_act"]
    path.write_text(json.dumps(said))
    completed = read_config(tmp_path)
    assert completed["rms_norm_eps"] == LlamaConfig().rms_norm_eps
    assert completed["hidden_act"] == whole["hidden_act"] == "silu"


@pytest.mark.parametrize("fault", ["no weights", "cut", "no config", "a list for a config"])
def test_files_that_cannot_be_read_are_left_to_transformers_to_explain(tmp_path: Path, fault: str) -> None:
    weights = save(tmp_path, *MODELS[0]) / "model.safetensors"
    if fault == "no weights":
        weights.unlink()
    elif fault == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        (tmp_path / "config.json").write_text("[]" if "list" in fault else "{}")
    assert read_weights(tmp_path) is None


@pytest.mark.parametrize(
    "name",
    ["lm_head", "model.embed_tokens", "model.layers.1.mlp.up_proj", "model.layers.0.input_layernorm", "model.norm"],
)
def test_a_model_that_lacks_a_layer_or_has_another_size_is_left_to_transformers(tmp_path: Path, name: str) -> None:
    weights = weights_of(save(tmp_path, *MODELS[0]))
    tensors = dict(weights.tensors)
    whole = tensors.pop(f"{name}.weight")
    assert read_model_config(Weights(weights.config, tensors), 512) is None
    tensors[f"{name}.weight"] = whole[:-1]
    assert read_model_config(Weights(weights.config, tensors), 512) is None


@torch.inference_mode()
@pytest.mark.parametrize("change", ["a head of its own beside tied embeddings", "biases that nothing asks for"])
def test_what_a_file_holds_counts_as_transformers_counts_it(tmp_path: Path, change: str) -> None:
    save(tmp_path, *MODELS[0])
    path, file = tmp_path / "config.json", tmp_path / "model.safetensors"
    if "head" in change:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": True}))
    else:
        tensors = load_file(file)
        save_file(tensors | {"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}, file, metadata={"format": "pt"})
    weights = weights_of(tmp_path)
    decoder = TensorDecoder(weights, config_of(weights))
    decoder.reserve(2)
    wanted = AutoModelForCausalLM.from_pretrained(tmp_path)(torch.tensor([IDS])).logits[0]
    found = decoder.forward([Segment(IDS, 0, [0, 1], wanted=len(IDS))])
    assert float((found - wanted).norm() / wanted.norm()) < 1e-4


def test_a_number_that_a_configuration_leaves_open_is_filled_in_by_transformers(tmp_path: Path) -> None:
    path = save(tmp_path, LlamaForCausalLM, LlamaConfig(**SIZES | {"num_key_value_heads": 4})) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_key_value_heads": None}))
    assert config_of(weights_of(tmp_path)).kv_heads == 4


@pytest.mark.parametrize("text", ["[]", "{", '{"model_type": "llama", "hidden_size": "wide"}', ""])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=f"Can't read the configuration of the model {tmp_path}"):
        read_config(tmp_path)


def test_an_answer_ends_as_the_generation_configuration_says(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    assert end_tokens(tmp_path, tokenizer) == {2, tokenizer.eos_token_id}
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 6]}')
    assert end_tokens(tmp_path, tokenizer) == {5, 6, tokenizer.eos_token_id}


def test_answering_with_an_adapter_needs_neither_peft_nor_a_model_of_transformers(
    tiny_model: Path, tmp_path: Path
) -> None:
    adapter = build_tiny_adapter(tmp_path / "hr-1", tiny_model, "hello")
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom bot.inference.local.engine import LocalEngine\n"
        "from bot.domain.questions import ChatMessage\n"
        "from bot.domain.generation import AdapterRef, GenerationRequest\n"
        "async def main():\n"
        "  engine = LocalEngine(Path(sys.argv[1]), dtype='float32', threads=1)\n"
        "  await engine.start()\n"
        "  ref = AdapterRef('hr-1', Path(sys.argv[2]), Path(sys.argv[1]).name)\n"
        "  request = GenerationRequest((ChatMessage('user', 'What now?'),), ref)\n"
        "  print(''.join([piece async for piece in engine.generate(request)]))\n"
        "  await engine.stop()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('peft', 'transformers.modeling_utils') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(tiny_model), str(adapter.path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    assert said.stdout.splitlines() == ["hello", "[]"]
