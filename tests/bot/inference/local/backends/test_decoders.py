"""Our decoders compute what transformers and peft compute, and the compiled one the same bits in any company."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from platform import machine
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import pytest
import torch
from peft import LoraConfig
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from bot.domain.errors import EngineError
from bot.inference.local.adapters import Adapter, insert
from bot.inference.local.backends import compiler, native
from bot.inference.local.backends.memory import HugePages
from bot.inference.local.backends.native import NativeDecoder, load_library
from bot.inference.local.backends.pytorch import TensorDecoder
from bot.inference.local.model_config import ModelConfig, Segment, layer_shapes, read_model_config
from bot.inference.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bot.inference.local.model_config import Decoder

SIZES: dict[str, Any] = {
    "vocab_size": 250,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.15,
}
MODELS = {
    "llama, shared keys": (LlamaForCausalLM, LlamaConfig(**SIZES, num_key_value_heads=2)),
    "llama, tied": (LlamaForCausalLM, LlamaConfig(**SIZES, num_key_value_heads=4, tie_word_embeddings=True)),
    "llama, biases": (
        LlamaForCausalLM,
        LlamaConfig(**SIZES, num_key_value_heads=1, attention_bias=True, mlp_bias=True),
    ),
    "llama, stretched": (
        LlamaForCausalLM,
        LlamaConfig(
            **SIZES, num_key_value_heads=2, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
        ),
    ),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SIZES, num_key_value_heads=2)),
    "mistral": (MistralForCausalLM, MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=None)),
}
ADAPTERS: dict[str, dict[str, Any]] = {
    "all layers": {
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        "r": 5,
    },
    "some layers": {"target_modules": ["q_proj", "v_proj", "up_proj"], "r": 20, "use_rslora": True},
    "the head": {"target_modules": ["lm_head", "k_proj"], "r": 3, "alpha_pattern": {"k_proj": 9}},
}
NATIVE = {"AVX-512 VNNI": compiler.VNNI, "AVX2": compiler.AVX2, "any CPU": compiler.ANY}
"""The compiler's flags of each way in which the compiled decoder computes."""
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
IDS = torch.randint(0, 250, (100,), generator=torch.Generator().manual_seed(1)).tolist()


def weights(model: Any) -> Weights:
    return Weights(model.config.to_dict(), model.state_dict())


def config_of(model: Any) -> ModelConfig:
    config = read_model_config(weights(model), 512)
    assert config is not None
    return config


def build(kind: str) -> Any:
    cls, config = MODELS[kind]
    torch.manual_seed(0)
    model = cls(config).eval()
    for name, weight in model.named_parameters():
        if name.endswith(("bias", "norm.weight")):  # else they are zero and one, and could be left out unseen
            torch.nn.init.normal_(weight, mean=float("norm" in name), std=0.2)
    return model.requires_grad_(requires_grad=False)


def adapter(model: Any, kind: str, seed: int = 0) -> Adapter:
    config: Any = LoraConfig(lora_alpha=12, task_type="CAUSAL_LM", inference_mode=True, **ADAPTERS[kind])
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (outputs, inputs) in layer_shapes(config_of(model)).items():
        if name.rpartition(".")[2] in config.target_modules:
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(config.r, inputs, generator=random) * 0.1
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(outputs, config.r, generator=random) * 0.1
    return Adapter(f"{kind} {seed}", config.to_dict(), tensors)


@pytest.fixture(params=["tensors", *NATIVE, pytest.param("cuda", marks=CUDA)])
def open_decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Decoder]]:
    flags = NATIVE.get(request.param)
    if flags:
        if compiler.find_compiler() is None or machine() != "x86_64":
            pytest.skip("no C++ compiler for x86 here")
        needed = {"AVX-512 VNNI": "avx512_vnni", "AVX2": "avx2"}.get(request.param)
        if needed and not torch.cpu.get_capabilities().get(needed):
            pytest.skip(f"this CPU has no {request.param}")
        monkeypatch.setattr(native, "fast_flags", lambda: flags)
        load_library.cache_clear()

    def open_decoder(model: Any) -> Decoder:
        decoder: Decoder
        if flags:
            decoder = NativeDecoder(weights(model), config_of(model), threads=2)
        else:
            there = deepcopy(model).to(request.param.replace("tensors", "cpu"))
            decoder = TensorDecoder(weights(there), config_of(model))
        decoder.reserve(64)
        return decoder

    yield open_decoder
    load_library.cache_clear()


@torch.inference_mode()
def expected(model: Any, ids: Sequence[int]) -> torch.Tensor:
    logits: torch.Tensor = model(torch.tensor([ids])).logits
    return logits[0]


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.cpu() - wanted.cpu()).norm() / wanted.norm())


def near(decoder: Decoder) -> float:
    return 0.1 if decoder.dtype_name == "int8" else 1e-4


def same(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Return whether only the order of sums can differ, which it does most on a GPU."""
    return distance(found, wanted) < (1e-4 if found.is_cuda else 1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_logits_are_those_of_transformers(open_decoder: Callable[[Any], Decoder], kind: str) -> None:
    model = build(kind)
    decoder = open_decoder(model)
    found = decoder.forward([Segment(IDS, 0, [5, 0, 9, 2], wanted=100)])
    assert distance(found, expected(model, IDS)) < near(decoder)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_logits_with_an_adapter_are_those_of_peft(open_decoder: Callable[[Any], Decoder], kind: str) -> None:
    model = build("llama, shared keys")
    decoder = open_decoder(model)
    bare = expected(model, IDS)
    made = adapter(model, kind)
    found = decoder.forward([Segment(IDS, 0, [5, 0, 9, 2], decoder.pack(made), wanted=100)])
    wrapped = insert(model, made, "one", torch.float32)
    wrapped.set_adapter("one", inference_mode=True)
    wanted = expected(wrapped, IDS)
    assert distance(found, wanted) < near(decoder)
    assert distance(bare, wanted) > 0.2


def test_rows_of_many_adapters_in_one_pass_are_what_they_are_alone(open_decoder: Callable[[Any], Decoder]) -> None:
    model = build("qwen2")
    decoder = open_decoder(model)
    adapters = [None, *(decoder.pack(adapter(model, kind, 3)) for kind in ADAPTERS)]
    segments = [Segment(IDS[: 7 * n + 3], 0, [n, n + 8], adapters[n % 4], wanted=2) for n in range(8)]
    together = decoder.forward(segments)
    alone = torch.cat([decoder.forward([segment]) for segment in segments])
    assert same(together, alone)
    if decoder.dtype_name == "int8":
        assert torch.equal(together, alone)


def test_a_prompt_in_pieces_and_guessed_tokens_give_the_same(open_decoder: Callable[[Any], Decoder]) -> None:
    model = build("llama, shared keys")
    decoder = open_decoder(model)
    packed = decoder.pack(adapter(model, "all layers"))
    whole = decoder.forward([Segment(IDS, 0, [4, 5, 6, 7], packed, wanted=100)])
    cuts = [0, 1, 30, 64, 66, 71, 100]
    parts = [decoder.forward([Segment(IDS[a:b], a, [0, 1, 2, 3], packed, wanted=b - a)]) for a, b in pairwise(cuts)]
    assert same(torch.cat(parts), whole)
    if decoder.dtype_name == "int8":
        assert torch.equal(torch.cat(parts), whole)


def test_broken_numbers_stay_broken(open_decoder: Callable[[Any], Decoder]) -> None:
    model = build("llama, tied")
    model.model.norm.weight.data[3] = float("nan")
    assert not torch.isfinite(open_decoder(model).forward([Segment(IDS[:5], 0, [0])])).any()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"},
        {"head_dim": 24},
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
    ],
)
def test_what_is_not_computed_exactly_is_left_to_transformers(change: dict[str, Any]) -> None:
    model = LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2, **change))
    assert read_model_config(weights(model), 512) is None


def test_a_window_shorter_than_the_context_is_left_to_transformers() -> None:
    model = MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=128))
    assert read_model_config(weights(model), 512) is None
    assert read_model_config(weights(model), 128) is not None


def test_what_lies_in_large_pages_is_the_same_and_begins_with_a_cache_line() -> None:
    given = [torch.arange(5, dtype=torch.uint8), torch.randn(3, 7), torch.empty(0), torch.arange(6_000_000)]
    pages = HugePages(tensor.nbytes for tensor in given)
    kept = [pages.keep(tensor) for tensor in given]
    assert all(torch.equal(*pair) for pair in zip(given, kept, strict=True))
    assert all(tensor.data_ptr() % 64 == 0 for tensor in kept)


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without a C++ compiler on which nothing was compiled before."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(native, "CACHE", tmp_path / "cache")
    load_library.cache_clear()
    yield
    load_library.cache_clear()


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_error_says_what_to_install() -> None:
    with pytest.raises(EngineError, match=r"No C\+\+ compiler.*Install g\+\+"):
        load_library()


def test_a_shipped_decoder_needs_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if compiler.find_compiler() is None:
        pytest.skip("no C++ compiler here")
    shipped = tmp_path / "wheel" / "decoder.cpp"
    shipped.parent.mkdir()
    copyfile(compiler.SOURCE, shipped)
    monkeypatch.setattr(compiler, "SOURCE", shipped)
    flags = native.fast_flags() or compiler.ANY
    compiler.compile_library(shipped.with_name(compiler.library_name(flags)), flags, link=compiler.STATIC)
    request.getfixturevalue("no_compiler")
    assert load_library().mentee_layout(0) > 0
