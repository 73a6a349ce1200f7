"""The local engine on a GPU: a 1B Llama shape, 64 questions at once over 16 adapters, beside transformers + peft.

    .venv/bin/python benchmarks/gpu_engine.py [--json] [--profile] [--quick]

The model (that of Llama 3.2 1B) is made on the GPU with random weights in bfloat16; prompts have 600 random tokens,
answers 128, greedy; adapters of rank 16 on all linear layers. Ours and peft's take turns; medians are reported.
Limits are measured in the same run: bytes a second of a large copy, read and written, and the rate of large bfloat16
products. A step's bytes are the weights, the adapters in use and the keys and values, each read once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from engine_adapters import RANK, make_adapter
from engine_peers import TransformersPeft
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, LlamaConfig

from bot.inference.fingerprint import ModelFingerprint, model_fingerprint
from bot.inference.local.backends.decoder_backend import DecoderBackend
from bot.inference.local.backends.pytorch import TensorDecoder, matrix_rate
from bot.inference.local.benchmark import Bench, Question, questions, timed
from bot.inference.local.model_config import PAGE, Segment, layer_shapes, read_model_config
from bot.inference.weights import Weights
from bot.storage.artifacts import writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from bot.domain.generation import AdapterRef
    from bot.inference.local.benchmark import Timing

LLAMA = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
SMALL = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CONTEXT = 2048
REPEATS, PEER_REPEATS = 3, 2
ACTIVITY = {"cuda": ProfilerActivity.CUDA, "cpu": ProfilerActivity.CPU}
TIMES = {"cuda": "device", "cpu": "cpu"}
PEER_SECONDS = 100
"""After which peft is not asked again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked: so many questions at once, over so many adapters of those resident, and their lengths."""

    shape: dict[str, int]
    rows: int = 64
    adapters: int = 16
    resident: int = 64
    prompt: int = 600
    answer: int = 128


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, kernel by kernel, and end")
    parser.add_argument("--quick", action="store_true", help="a smoke run: a tiny shape, on the CPU, too")
    arguments = parser.parse_args()
    work = Work(SMALL, rows=6, adapters=2, resident=4, prompt=70, answer=40) if arguments.quick else Work(LLAMA)
    memory = Path("/dev/shm")  # noqa: S108 - the adapters' files are large, and gone in a minute
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        run = Run(work, Path(folder))
        if arguments.profile:
            print(run.profiles())
            return
        result = run.result()
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36} {value if not isinstance(value, float) else f'{value:,.3f}'}")


class InMemory:
    """Implements :class:`bot.inference.local.sequences.Runner` with a model that is loaded already."""

    ends: frozenset[int] = frozenset()

    def __init__(self, model: PreTrainedModel, base: ModelFingerprint, pages: int) -> None:
        weights = Weights(model.config.to_dict(), model.state_dict())
        config = read_model_config(weights, CONTEXT)
        assert config is not None
        self.decoder = TensorDecoder(weights, config)
        self.backend = DecoderBackend(self.decoder, base, layer_shapes(config), pages=pages)

    def load(self) -> DecoderBackend:
        """Return what computes."""
        return self.backend

    def close(self) -> None:
        """Leave the model to its owner."""


class Peer(TransformersPeft):
    """transformers + peft, which also gives logits to compare with."""

    @torch.inference_mode()
    def logits(self, asked: Sequence[Question]) -> torch.Tensor:
        """Return the logits after each prompt."""
        ids = torch.tensor([question.prompt for question in asked], device=self._model.device)
        names = [self._names[question.adapter and question.adapter.path] for question in asked]
        output = self._model(input_ids=ids, adapter_names=names, logits_to_keep=1)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


class Run:
    """One run of the benchmark."""

    def __init__(self, work: Work, folder: Path) -> None:
        self._started = time.perf_counter()
        self._work = work
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        config = LlamaConfig(**work.shape, max_position_embeddings=CONTEXT, tie_word_embeddings=True)
        with self._device:
            model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
        self._model = model.eval().requires_grad_(requires_grad=False)
        # Before peft adds its own.
        self._weights = sum(weight.numel() for weight in model.parameters() if weight.dim() > 1)
        shapes = [module.weight.shape for name, module in model.named_modules() if name.endswith("_proj")]
        self._layers = sum(rows * columns for rows, columns in shapes)
        self._adapter = sum(RANK * (rows + columns) for rows, columns in shapes)
        self._base = folder / "shape"
        with writing(self._base, "model") as draft:
            config.save_pretrained(draft.path)
        self._adapters = self._make_adapters(folder)
        self._say("model and adapters made")
        pages = work.rows * -(-(work.prompt + work.answer) // PAGE) * 2
        self._runner = InMemory(self._model, model_fingerprint(self._base), pages)
        self._bench = Bench(self._runner, max_running=work.rows)  # type: ignore[arg-type] # a LocalRunner without a folder
        self._runner.backend.guessing = False  # random weights repeat themselves, and guesses would be right too often
        for seed in (1, 2):  # at first steps are computed as they come, the second time they are recorded
            self._bench.ask(self._questions(seed), work.answer)
        self._say("warm")

    def result(self) -> dict[str, Any]:
        """Measure everything."""
        work = self._work
        limits = self._limits()
        reading = median(self._bench.seconds(self._questions(10 + n), 1) for n in range(REPEATS))
        alone = [self._bench.ask(self._questions(20 + n)[:1], 32)[0] for n in range(REPEATS)]
        self._say("reading measured")
        ours, theirs, timings, distances = self._against_peft()
        step = median(max(each, key=lambda timing: timing.first).step for each in timings)
        firsts = [timing.first for each in timings for timing in each]
        many = self._many_adapters()
        self._bench.close()
        tokens = work.rows * work.answer
        return {
            "device": torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            **{name: value for name, value in asdict(work).items() if name != "shape"},
            "ratio": median(theirs) / median(ours),
            "tokens_per_second": tokens / median(ours),
            "peft_tokens_per_second": tokens / median(theirs),
            "seconds": ours,
            "peft_seconds": theirs,
            "decode_step_ms": step * 1000,
            "decode_share_of_bandwidth": self._step_bytes() / limits["bytes_per_second"] / step,
            "decode_bytes_per_step": self._step_bytes(),
            "prefill_tokens_per_second": work.rows * work.prompt / reading,
            "prefill_share_of_matrix_rate": self._reading_operations() / limits["operations_per_second"] / reading,
            "piece_tokens": self._runner.decoder.prefill_chunks[0],
            "first_token_median_s": median(firsts),
            "first_token_last_s": max(firsts),
            "alone_first_token_ms": median(timing.first for timing in alone) * 1000,
            "alone_step_ms": median(timing.step for timing in alone) * 1000,
            "longest_pause_ms": max(timing.longest for each in timings for timing in each) * 1000,
            **{f"{name}_tokens_per_second": tokens / median(seconds) for name, seconds in many.items()},
            **distances,
            **limits,
        }

    def profiles(self) -> str:
        """Return tables of what took longest on the GPU: in reading, then in the steps of answers read before."""
        asked = self._questions(90)
        tables = []
        for tokens in (1, 17):
            with profile(activities=[ACTIVITY[self._device.type]]) as profiled:
                seconds = self._bench.seconds(asked, tokens)
            averages = profiled.key_averages()
            table = averages.table(sort_by=f"self_{TIMES[self._device.type]}_time_total", row_limit=25)
            tables.append(f"{tokens} tokens in {seconds:.3f} s\n{table}")
        return "\n".join(tables)

    def _make_adapters(self, folder: Path) -> list[AdapterRef]:
        def make(number: int) -> AdapterRef:
            return make_adapter(folder / f"a{number}", self._base, number, torch.bfloat16)

        with ThreadPoolExecutor(8) as pool:
            return [make(0), *pool.map(make, range(1, self._work.resident))]

    def _questions(self, seed: int, adapters: Sequence[AdapterRef] = ()) -> list[Question]:
        work, adapters = self._work, adapters or self._adapters[: self._work.adapters]
        made = questions(work.shape["vocab_size"], work.rows, length=work.prompt, seed=seed)
        return [Question(each.prompt, adapters[n % len(adapters)], each.department) for n, each in enumerate(made)]

    def _against_peft(self) -> tuple[list[float], list[float], list[list[Timing]], dict[str, float]]:
        """Return the seconds of ours and of peft's, our timings, and how far apart the logits are."""
        peer = Peer(self._model, [ref.path for ref in self._adapters[: self._work.adapters]])
        distances = self._distances(peer, self._questions(40)[: self._work.adapters])
        peer.answer(_asked(self._questions(41)), 2)
        self._say("peft ready")
        ours, theirs, timings = [], [], []
        for number in range(REPEATS):
            asked = self._questions(50 + number)
            timings.append(self._bench.ask(asked, self._work.answer))
            ours.append(max(timing.last for timing in timings[-1]))
            self._say(f"ours {ours[-1]:.2f} s")
            if number < PEER_REPEATS and sum(theirs) < PEER_SECONDS:
                theirs.append(timed(partial(peer.answer, _asked(asked), self._work.answer), 1))
                self._say(f"peft {theirs[-1]:.2f} s")
        return ours, theirs, timings, distances

    @torch.inference_mode()
    def _distances(self, peer: Peer, asked: Sequence[Question]) -> dict[str, float]:
        """Return how far our logits are from peft's, read at once and after a step, and how far the base's are."""
        wanted = peer.logits(asked)
        adapters, width = self._runner.backend.adapters, -(-self._work.prompt // PAGE)
        packed = [adapters.load(each.adapter) for each in asked if each.adapter]
        found = {}
        for name, cut in (("read", 0), ("step", self._work.prompt - 1)):
            rows = [
                Segment(each.prompt[:cut] or each.prompt, 0, range(n * width, (n + 1) * width), packed[n])
                for n, each in enumerate(asked)
            ]
            logits = self._runner.decoder.forward(rows)
            if cut:
                steps = [Segment(each.prompt[cut:], cut, rows[n].pages, packed[n]) for n, each in enumerate(asked)]
                for _ in range(3):  # as it comes, recorded and repeated
                    logits = self._runner.decoder.forward(steps)
            found[f"logits_distance_{name}"] = _distance(logits, wanted)
        bare = peer.logits([Question(each.prompt) for each in asked])
        # Prompts never come again here, so nobody shares the pages that this has overwritten.
        return found | {"logits_distance_without_adapters": _distance(bare, wanted)}

    def _many_adapters(self) -> dict[str, list[float]]:
        """Return the seconds with more adapters resident, and with all of them in use at once."""
        for ref in self._adapters:
            self._runner.backend.adapters.load(ref)
        self._say(f"{len(self._adapters)} adapters resident")
        sets = {"of_all_resident": self._adapters[-self._work.adapters :], "all_in_use": self._adapters}
        seconds: dict[str, list[float]] = {name: [] for name in sets}
        for name, chosen in sets.items():
            for number in range(REPEATS + 2):
                asked = self._questions(60 + number, chosen)
                seconds[name].append(self._bench.seconds(asked, self._work.answer))
        self._say("measured with many adapters")
        return {name: taken[2:] for name, taken in seconds.items()}  # the first two record the steps

    def _limits(self) -> dict[str, float]:
        if self._device.type != "cuda":
            return {"bytes_per_second": 1e10, "operations_per_second": 1e11}  # a smoke run, whose figures mean nothing
        source = torch.randn(2**29, device=self._device)
        target = torch.empty_like(source)

        def copy() -> None:
            target.copy_(source)
            torch.cuda.synchronize()

        copied = min(timed(copy, 1) for _ in range(8))
        rate = matrix_rate(self._device, torch.bfloat16, 8192)
        return {"bytes_per_second": 2 * source.nbytes / copied, "operations_per_second": rate}

    def _step_bytes(self) -> float:
        """Return the bytes that a step of all rows reads, some ten tokens into the last answer."""
        work, config = self._work, self._runner.decoder.config
        numbers = config.page_numbers() // PAGE * (work.prompt + 10) * work.rows
        return 2.0 * (self._weights + self._adapter * work.adapters + numbers)

    def _reading_operations(self) -> float:
        """Return the operations of reading all prompts: the layers' products with an adapter, and attention."""
        work, config = self._work, self._runner.decoder.config
        attention = config.layers * config.heads * config.head_size * work.prompt  # half of all pairs, two products
        return 2.0 * work.rows * work.prompt * (self._layers + self._adapter + attention)

    def _say(self, what: str) -> None:
        print(f"{time.perf_counter() - self._started:6.1f} s  {what}", file=sys.stderr, flush=True)


def _asked(asked: Sequence[Question]) -> list[tuple[tuple[int, ...], Path | None]]:
    return [(question.prompt, question.adapter and question.adapter.path) for question in asked]


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


if __name__ == "__main__":
    main()
