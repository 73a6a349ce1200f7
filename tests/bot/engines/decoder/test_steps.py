"""Short steps in PyTorch, computed as they come and repeated from a recording, give what reading the text gives."""

from __future__ import annotations

import random
import threading
from copy import deepcopy

import pytest
import torch
from peft import LoraConfig
from torch.fx.experimental.proxy_tensor import make_fx
from transformers import LlamaConfig, LlamaForCausalLM

from bot.engines.adapters import Adapter, linear_shapes
from bot.engines.decoder import replays
from bot.engines.decoder.replays import CudaCapture
from bot.engines.decoder.shape import PAGE, Segment, read_shape
from bot.engines.decoder.tensors import SHORT, TensorDecoder, pieces_on
from bot.engines.decoder.weights import Weights

LENGTH = 3 * PAGE
RANKS = {"q_proj": 4, "v_proj": 4, "o_proj": 4, "gate_proj": 4, "down_proj": 4}
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


class TracedCapture:
    """Records on the CPU as CUDA does: the operations, bound to the very tensors that were there."""

    made = 0

    def __call__(self, work):
        type(self).made += 1
        return make_fx(work)()


class BrokenCapture:
    def __call__(self, _work):
        raise RuntimeError("out of memory")


@pytest.fixture(autouse=True)
def one_thread():
    """Compute these tiny products where threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
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
    return LlamaForCausalLM(config).eval().requires_grad_(requires_grad=False)


def weights(model):
    return Weights(model.config.to_dict(), model.state_dict())


@pytest.fixture(params=["computed", "recorded", pytest.param("cuda", marks=CUDA)])
def open_decoder(request, model):
    def open_decoder(model=model):
        device = "cuda" if request.param == "cuda" else "cpu"
        capture = TracedCapture if request.param == "recorded" else None
        decoder = TensorDecoder(weights(deepcopy(model).to(device)), read_shape(weights(model), 512), capture=capture)
        decoder.reserve(200)
        return decoder

    return open_decoder


@pytest.fixture
def recorded(model):
    """Return a decoder that records on the CPU; its capture counts from zero."""
    TracedCapture.made = 0
    decoder = TensorDecoder(weights(model), read_shape(weights(model), 512), capture=TracedCapture)
    decoder.reserve(200)
    return decoder


def adapter(model, seed, ranks):
    drawn = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (outputs, inputs) in linear_shapes(model).items():
        if rank := ranks.get(name.rpartition(".")[2]):
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, inputs, generator=drawn) * 0.1
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(outputs, rank, generator=drawn) * 0.1
    config = LoraConfig(r=4, lora_alpha=4, rank_pattern=ranks, target_modules=[*ranks], task_type="CAUSAL_LM")
    return Adapter(str(seed), config.to_dict(), tensors)


def texts(count):
    return torch.randint(0, 250, (count, LENGTH), generator=torch.Generator().manual_seed(count)).tolist()


def pages(number):
    return range(number * 3, number * 3 + 3)


def reference(model, adapters, texts):
    """Return the logits of each whole text, read at once and alone."""
    plain = TensorDecoder(weights(model), read_shape(weights(model), 512))
    plain.reserve(3)
    packed = [made and plain.pack(made) for made in adapters]
    return [
        plain.forward([Segment(text, 0, pages(0), each, wanted=LENGTH)])
        for text, each in zip(texts, packed, strict=True)
    ]


def distance(found, wanted):
    return float((found.cpu() - wanted.cpu()).norm() / wanted.norm())


def near(decoder):
    return 1e-4 if decoder._device.type == "cuda" else 1e-5


def run(decoder, texts, packed, wanted, choose):
    """Compute all texts, some of them a little further in each pass as ``choose`` says, and check all logits."""
    read = [0] * len(texts)
    while chosen := choose([number for number, count in enumerate(read) if count < LENGTH]):
        segments = []
        for number, count in chosen:
            tokens = texts[number][read[number] : read[number] + count]
            needed = -(-(read[number] + len(tokens)) // PAGE)
            segments.append(Segment(tokens, read[number], pages(number)[:needed], packed[number], wanted=len(tokens)))
        found = decoder.forward(segments).split([segment.wanted for segment in segments])
        for (number, _), segment, logits in zip(chosen, segments, found, strict=True):
            start = read[number]
            read[number] += len(segment.tokens)
            assert distance(logits, wanted[number][start : read[number]]) < near(decoder)


def test_rows_that_join_and_leave_with_their_adapters(open_decoder, model):
    made = [None, adapter(model, 1, RANKS), adapter(model, 2, {"k_proj": 7, "lm_head": 2}), adapter(model, 3, RANKS)]
    texts_, drawn = texts(9), random.Random(0)
    adapters = [made[n % 4] for n in range(9)]
    decoder = open_decoder()
    packed = {id(each): each and decoder.pack(each) for each in made}
    running = [packed[id(each)] for each in adapters]

    def choose(left):
        longer = 40 if len(left) == 9 else 1  # most of each text is read at first
        return [(n, longer) for n in drawn.sample(left, min(len(left), drawn.randint(1, 9)))]

    run(decoder, texts_, running, reference(model, adapters, texts_), choose)


def test_guesses_pieces_and_next_tokens_in_one_pass(open_decoder, model):
    adapters = [adapter(model, 1, RANKS), None, adapter(model, 2, RANKS), adapter(model, 1, RANKS), None]
    texts_, drawn = texts(5), random.Random(1)
    decoder = open_decoder()

    def choose(left):
        counts = [1, 2, SHORT, SHORT + 1, 40]
        return [(n, drawn.choice(counts)) for n in drawn.sample(left, min(len(left), drawn.randint(2, 5)))]

    wanted = reference(model, adapters, texts_)
    run(decoder, texts_, [each and decoder.pack(each) for each in adapters], wanted, choose)


def test_more_and_wider_adapters_than_there_were_seats_for(open_decoder, model):
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


def test_logits_only_where_they_are_wanted(open_decoder, model):
    decoder = open_decoder()
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    assert decoder.forward([Segment(text[:3], 0, [0], wanted=0)]).shape == (0, 250)
    found = decoder.forward([Segment(text[3:6], 3, [0], wanted=2), Segment(text[:50], 0, [1, 2], wanted=0)])
    assert distance(found, wanted[4:6]) < near(decoder)


def test_broken_numbers_reach_nobody_else(open_decoder, model):
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


def test_bfloat16_is_near_float32(open_decoder, model):
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
        found = decoder.forward(rows).split(end - start)
        assert max(distance(one, full[start:end]) for one, full in zip(found, wanted, strict=True)) < 0.05


def test_a_step_is_recorded_when_its_size_comes_again(recorded, model):
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for place in range(6):
        assert distance(recorded.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5
    assert TracedCapture.made == 1
    kept = recorded.forward([Segment([text[6]], 6, [0])])
    recorded.forward([Segment([text[7]], 7, [0])])
    assert distance(kept, wanted[6]) < 1e-5


def test_recordings_go_when_the_pages_move(recorded, model):
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for pages_ in (100, 50):
        recorded.reserve(pages_)
        for place in range(3):
            assert distance(recorded.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5
    assert TracedCapture.made == 2


def test_recordings_are_bounded(recorded, monkeypatch):
    monkeypatch.setattr(replays, "RECORDINGS", 3)
    for _ in range(3):
        for rows in (1, 2, 4, 8, 16):
            recorded.forward([Segment([5], 0, [n]) for n in range(rows)])
    assert len(recorded._replays._kept) == 3
    assert TracedCapture.made == 10


def test_where_recording_fails_steps_are_computed_as_they_come(model):
    decoder = TensorDecoder(weights(model), read_shape(weights(model), 512), capture=BrokenCapture)
    decoder.reserve(10)
    (text,) = texts(1)
    (wanted,) = reference(model, [None], [text])
    for place in range(4):
        assert distance(decoder.forward([Segment([text[place]], place, [0])]), wanted[place]) < 1e-5


def test_a_few_cores_read_little_at_once():
    assert pieces_on(torch.device("cpu"), torch.float32, 10**9) == (128, 512)


@CUDA
def test_cuda_reads_more_at_once_the_smaller_the_model_is():
    beside, alone = pieces_on(torch.device("cuda"), torch.float32, 10**8)
    assert 128 <= beside <= alone
    assert pieces_on(torch.device("cuda"), torch.float32, 10**12) == (128, 512)


@CUDA
def test_cuda_records_while_another_thread_brings_something_in():
    capture, source, out = CudaCapture(), torch.ones(3, device="cuda"), torch.zeros(3, device="cuda")
    brought = []

    def work():
        aside = threading.Thread(target=lambda: brought.append(torch.ones(10**7).to("cuda").sum().item()))
        aside.start()
        aside.join()
        return out.copy_(source * 2)

    repeat = capture(work)
    source.fill_(5)
    assert repeat().tolist() == [10, 10, 10]
    assert brought == [10**7]
