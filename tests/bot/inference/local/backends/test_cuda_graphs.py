"""Short steps in PyTorch, computed directly and replayed from a graph, give what prefilling the text gives."""

from __future__ import annotations

import random
import threading
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from peft import LoraConfig
from torch.fx.experimental.proxy_tensor import make_fx
from transformers import LlamaConfig, LlamaForCausalLM

from bot.inference.local.adapters import Adapter, linear_shapes
from bot.inference.local.backends import cuda_graphs
from bot.inference.local.backends.cuda_graphs import CudaCapture
from bot.inference.local.backends.pytorch import SHORT, TensorDecoder, prefill_chunks_on
from bot.inference.local.model_config import PAGE, ModelConfig, Segment, read_model_config
from bot.inference.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bot.inference.local.backends.lora_slots import LoraWeights

LENGTH = 3 * PAGE
RANKS = {"q_proj": 4, "v_proj": 4, "o_proj": 4, "gate_proj": 4, "down_proj": 4}
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


class TracedCapture:
    """Captures on the CPU as CUDA does: the operations, bound to the very tensors that were there."""

    made = 0

    def __call__(self, work: Callable[[], torch.Tensor]) -> Any:
        type(self).made += 1
        return make_fx(work)()


class BrokenCapture:
    def __call__(self, _work: object) -> Any:
        raise RuntimeError("out of memory")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute these tiny products where threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=250,
        hidden_size=64,
        intermediate_size=112,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.15,
    )
    model: Any = LlamaForCausalLM(config)
    return model.eval().requires_grad_(requires_grad=False)


def weights(model: Any) -> Weights:
    return Weights(model.config.to_dict(), model.state_dict())


def config_of(model: Any) -> ModelConfig:
    config = read_model_config(weights(model), 512)
    assert config is not None
    return config


@pytest.fixture(params=["computed", "captured", pytest.param("cuda", marks=CUDA)])
def open_decoder(request: pytest.FixtureRequest, model: Any) -> Callable[..., TensorDecoder]:
    def open_decoder(model: Any = model) -> TensorDecoder:
        device = "cuda" if request.param == "cuda" else "cpu"
        capture = TracedCapture if request.param == "captured" else None
        decoder = TensorDecoder(weights(deepcopy(model).to(device)), config_of(model), capture=capture)
        decoder.reserve(200)
        return decoder

    return open_decoder


@pytest.fixture
def captured(model: Any) -> TensorDecoder:
    """Return a decoder that captures on the CPU; its capture counts from zero."""
    TracedCapture.made = 0
    decoder = TensorDecoder(weights(model), config_of(model), capture=TracedCapture)
    decoder.reserve(200)
    return decoder


def adapter(model: Any, seed: int, ranks: dict[str, int]) -> Adapter:
    drawn = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (outputs, inputs) in linear_shapes(model).items():
        if rank := ranks.get(name.rpartition(".")[2]):
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, inputs, generator=drawn) * 0.1
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(outputs, rank, generator=drawn) * 0.1
    config: Any = LoraConfig(r=4, lora_alpha=4, rank_pattern=ranks, target_modules=[*ranks], task_type="CAUSAL_LM")
    return Adapter(str(seed), config.to_dict(), tensors)


def texts(count: int) -> list[list[int]]:
    return torch.randint(0, 250, (count, LENGTH), generator=torch.Generator().manual_seed(count)).tolist()


def pages(number: int) -> range:
    return range(number * 3, number * 3 + 3)


def reference(model: Any, adapters: Sequence[Adapter | None], texts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Return the logits of each whole text, read at once and alone."""
    plain = TensorDecoder(weights(model), config_of(model))
    plain.reserve(3)
    packed = [made and plain.pack(made) for made in adapters]
    return [
        plain.forward([Segment(text, 0, pages(0), each, wanted=LENGTH)])
        for text, each in zip(texts, packed, strict=True)
    ]


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.cpu() - wanted.cpu()).norm() / wanted.norm())


def near(decoder: TensorDecoder) -> float:
    return 1e-4 if decoder._device.type == "cuda" else 1e-5


def run(
    decoder: TensorDecoder,
    texts: Sequence[Sequence[int]],
    packed: Sequence[LoraWeights | None],
    wanted: Sequence[torch.Tensor],
    choose: Callable[[list[int]], list[tuple[int, int]]],
) -> None:
    """Compute all texts, some of them a little further in each pass as ``choose`` says, and check all logits."""
    read = [0] * len(texts)
    while chosen := choose([number for number, count in enumerate(read) if count < LENGTH]):
        segments = []
        for number, count in chosen:
            tokens = texts[number][read[number] : read[number] + count]
            needed = -(-(read[number] + len(tokens)) // PAGE)
            segments.append(Segment(tokens, read[number], pages(number)[:needed], packed[number], wanted=len(tokens)))
        found = torch.split(decoder.forward(segments), [segment.wanted for segment in segments])
        for (number, _), segment, logits in zip(chosen, segments, found, strict=True):
            start = read[number]
            read[number] += len(segment.tokens)
            assert distance(logits, wanted[number][start : read[number]]) < near(decoder)


def test_rows_that_join_and_leave_with_their_adapters(open_decoder: Callable[..., TensorDecoder], model: Any) -> None:
    made = [None, adapter(model, 1, RANKS), adapter(model, 2, {"k_proj": 7, "lm_head": 2}), adapter(model, 3, RANKS)]
    texts_, drawn = texts(9), random.Random(0)
    adapters = [made[n % 4] for n in range(9)]
    decoder = open_decoder()
    packed = {id(each): decoder.pack(each) if each else None for each in made}
    running = [packed[id(each)] for each in adapters]

    def choose(left: list[int]) -> list[tuple[int, int]]:
        longer = 40 if len(left) == 9 else 1  # most of each text is read at first
        return [(n, longer) for n in drawn.sample(left, min(len(left), drawn.randint(1, 9)))]

    run(decoder, texts_, running, reference(model, adapters, texts_), choose)


def test_guesses_chunks_and_next_tokens_in_one_pass(open_decoder: Callable[..., TensorDecoder], model: Any) -> None:
    adapters = [adapter(model, 1, RANKS), None, adapter(model, 2, RANKS), adapter(model, 1, RANKS), None]
    texts_, drawn = texts(5), random.Random(1)
    decoder = open_decoder()

    def choose(left: list[int]) -> list[tuple[int, int]]:
        counts = [1, 2, SHORT, SHORT + 1, 40]
        return [(n, drawn.choice(counts)) for n in drawn.sample(left, min(len(left), drawn.randint(2, 5)))]

    wanted = reference(model, adapters, texts_)
    run(decoder, texts_, [decoder.pack(each) if each else None for each in adapters], wanted, choose)


def test_more_and_wider_adapters_than_there_were_slots_for(
    open_decoder: Callable[..., TensorDecoder], model: Any
) -> None:
    adapters = [adapter(model, seed, dict.fromkeys(RANKS, 2 + seed)) for seed in range(6)]
    texts_ = texts(6)
    decoder = open_decoder()
    packed = [decoder.pack(each) for each in adapters]
    wanted = reference(model, adapters, texts_)
    for number in range(6):  # one after the other, with all that were there before
        rows = range(number + 1)
        for place in range(4 * number, 4 * number + 4):
            found = decoder.forward([Segment([texts_[n][place]], place, pages(n)[:1], packed[n]) for n in rows])
            for n in rows:
                if n == 0:  # the others began late, so only the first one has a text of its own
                    assert distance(found[n], wanted[n][place]) < near(decoder)
    swapped = [Segment([texts_[n][0]], 0, pages(n)[:1], packed[n]) for n in (3, 5)]
    for _ in range(3):
        found = decoder.forward(swapped)
        assert all(distance(found[i], wanted[n][0]) < near(decoder) for i, n in enumerate((3, 5)))


def test_logits_only_where_they_are_wanted(open_decoder: Callable[..., TensorDecoder], model: Any) -> None:
    decoder = open_decoder()
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    assert decoder.forward([Segment(text[:3], 0, [0], wanted=0)]).shape == (0, 250)
    found = decoder.forward([Segment(text[3:6], 3, [0], wanted=2), Segment(text[:50], 0, [1, 2], wanted=0)])
    assert distance(found, wanted[4:6]) < near(decoder)


def test_broken_numbers_reach_nobody_else(open_decoder: Callable[..., TensorDecoder], model: Any) -> None:
    broken = deepcopy(model)
    broken.model.embed_tokens.weight[7] = float("nan")
    decoder = open_decoder(broken)
    text = [token for token in texts(1)[0] if token != 7][:PAGE]
    (wanted,) = reference(model, [None], [text[:20] + [1] * (LENGTH - 20)])
    for _ in range(2):  # also when repeated
        bad = decoder.forward([Segment([7], 0, [1]), Segment([7] * PAGE, 0, [0])])
        assert not torch.isfinite(bad).any()
        both = decoder.forward([Segment(text[:1], 0, [0]), Segment([7], 1, [1])])
        assert torch.isfinite(both).any(1).tolist() == [True, False]
        assert distance(both[0], wanted[0]) < near(decoder)


def test_bfloat16_is_near_float32(open_decoder: Callable[..., TensorDecoder], model: Any) -> None:
    adapters, texts_ = [adapter(model, n, RANKS) for n in range(3)], texts(3)
    decoder = open_decoder(deepcopy(model).bfloat16())
    packed = [decoder.pack(each) for each in adapters]
    wanted = reference(model, adapters, texts_)
    for start, end in ((0, 60), (60, 61), (61, 62), (62, 80)):
        needed = -(-end // PAGE)
        rows = [
            Segment(text[start:end], start, pages(n)[:needed], packed[n], wanted=end - start)
            for n, text in enumerate(texts_)
        ]
        found = torch.split(decoder.forward(rows), end - start)
        assert max(distance(one, full[start:end]) for one, full in zip(found, wanted, strict=True)) < 0.05


def test_a_step_is_captured_when_its_size_comes_again(captured: TensorDecoder, model: Any) -> None:
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for place in range(6):
        assert distance(captured.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5
    assert TracedCapture.made == 1
    kept = captured.forward([Segment([text[6]], 6, [0])])
    captured.forward([Segment([text[7]], 7, [0])])
    assert distance(kept, wanted[6]) < 1e-5


def test_graphs_are_dropped_when_the_pages_move(captured: TensorDecoder, model: Any) -> None:
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for pages_ in (100, 50):
        captured.reserve(pages_)
        for place in range(3):
            assert distance(captured.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5
    assert TracedCapture.made == 2


def test_the_number_of_graphs_is_bounded(captured: TensorDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 3)
    captured.reserve(200)
    for _ in range(3):
        for rows in (1, 2, 4, 8, 16):
            captured.forward([Segment([5], 0, [n]) for n in range(rows)])
    assert len(captured._graphs._graphs) == 3
    assert TracedCapture.made == 10


def test_where_capturing_fails_steps_are_computed_directly(model: Any) -> None:
    decoder = TensorDecoder(weights(model), config_of(model), capture=BrokenCapture)
    decoder.reserve(10)
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for place in range(4):
        assert distance(decoder.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5


def test_a_few_cores_read_little_at_once() -> None:
    assert prefill_chunks_on(torch.device("cpu"), torch.float32, 10**9) == (128, 512)


@CUDA
def test_cuda_reads_more_at_once_the_smaller_the_model_is() -> None:
    beside, alone = prefill_chunks_on(torch.device("cuda"), torch.float32, 10**8)
    assert 128 <= beside <= alone
    assert prefill_chunks_on(torch.device("cuda"), torch.float32, 10**12) == (128, 512)


@CUDA
def test_cuda_captures_while_another_thread_copies_to_the_device() -> None:
    capture, source, out = CudaCapture(), torch.ones(3, device="cuda"), torch.zeros(3, device="cuda")
    brought = []

    def work() -> torch.Tensor:
        aside = threading.Thread(target=lambda: brought.append(torch.ones(10**7).to("cuda").sum().item()))
        aside.start()
        aside.join()
        return out.copy_(source * 2)

    repeat = capture(work)
    source.fill_(5)
    assert repeat().tolist() == [10, 10, 10]
    assert brought == [10**7]
