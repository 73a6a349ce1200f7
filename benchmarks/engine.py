"""How fast the local engine answers, beside transformers + peft, llama.cpp and vLLM, and beside the machine's limits.

    .venv/bin/python benchmarks/engine.py [--json] [--quick] [--alone] [--gguf FILE] [--vllm-url URL]

SmolLM2-135M with adapters of rank 16 on all linear layers, made here; prompts of 600 tokens of Mentee's own docs,
answers of exactly 64 tokens; greedy; two threads. Peers and ours take turns in one run; the median of the turns' ratios
of seconds is reported (theirs over ours; above 1 is faster). A peer that is not here is null.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from engine_adapters import make_adapter
from engine_peers import peers

from bot.config.settings import Settings
from bot.inference.fingerprint import model_fingerprint
from bot.inference.loading import load_model, load_tokenizer
from bot.inference.local.benchmark import ANSWER, PROMPT, Bench, Question, report, timed
from bot.inference.local.model_config import PAGE, Segment
from bot.inference.local.runner import LocalRunner
from bot.inference.models.catalogue import model_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine_peers import Peer

    from bot.domain.generation import AdapterRef

ROOT = Path(__file__).parents[1]
BASE = "smollm2-135m-instruct"
ADAPTERS = 64
STEPS = 3
"""How often the step is taken in each turn: it is short, and a machine's clock moves by more than an adapter costs."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a smoke run: everything once, and small")
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--gguf", type=Path, help="the model's GGUF file, for llama.cpp")
    parser.add_argument("--vllm-url", default="", help="a vLLM server with this model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = _Run(arguments, Path(folder)).result()
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in {**result.pop("ratios"), **result}.items():
        print(f"{name:28} {value if not isinstance(value, float) else f'{value:,.3f}'}")


class _Run:
    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._started = time.perf_counter()
        self._arguments = arguments
        self._repeat = 1 if arguments.quick else arguments.repeat
        self._path = model_path(Settings(home=ROOT).models_dir, BASE)
        self._adapters = [
            make_adapter(folder / f"a{n}", self._path, n) for n in range(8 if arguments.quick else ADAPTERS)
        ]
        self._tokenizer: Any = load_tokenizer(self._path)
        texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))]
        self._text: list[int] = self._tokenizer("\n".join(texts), add_special_tokens=False)["input_ids"]
        self._random = random.Random(0)
        self._bench = Bench(self._runner())
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def result(self) -> dict[str, Any]:
        """Return everything measured."""
        torch.set_num_threads(self._arguments.threads)
        change = self._perplexity_change()
        if not self._arguments.alone:
            self._against_peers()
        self._among_ourselves()
        shares = report(self._bench, BASE, self._arguments.threads, len(self._tokenizer))
        invariant = self._batch_invariant(10 if self._arguments.quick else 200)
        stall = self._swap_stall()
        self._bench.close()
        ratios = self._ratios() | {
            "prefill_share_of_limit": shares.prefill_share_of_limit,
            "decode_share_of_limit": shares.decode_share_of_limit,
            "swap_stall_ms": stall * 1000,
            "start_to_first_token_s": self._start(),
        }
        return {
            "ratios": ratios,
            "batch_invariant": invariant,
            "perplexity_change": change,
            "dtype": shares.dtype,
            "seconds": {name: median(values) for name, values in self._seconds.items()},
            "prefill_tokens_per_second": shares.prefill_tokens_per_second,
            "decode_tokens_per_second": shares.decode_tokens_per_second,
            "memory_gb_per_second": shares.memory_gb_per_second,
            "matrix_gflops": shares.matrix_gflops,
        }

    def _runner(self) -> LocalRunner:
        return LocalRunner(
            self._path,
            model_fingerprint(self._path),
            dtype="auto",
            threads=self._arguments.threads,
            cache_bytes=2 << 30,
        )

    def _questions(self, count: int, adapters: Sequence[AdapterRef | None], length: int = PROMPT) -> list[Question]:
        """Return questions about random stretches of the docs, each with the next adapter in turn."""
        made = []
        for number in range(count):
            start = self._random.randrange(len(self._text) - length)
            # Its first token is its own, so that no question finds another's beginning in the cache.
            prompt = (self._random.randrange(100, 40_000), *self._text[start + 1 : start + length])
            made.append(Question(prompt, adapters[number % len(adapters)], f"department {number % 4}"))
        return made

    def _against_peers(self) -> None:
        few = self._adapters[:4]
        options = self._arguments
        others = peers(
            self._path, [ref.path for ref in few], gguf=options.gguf, vllm_url=options.vllm_url, threads=options.threads
        )
        self._bench.ask(self._questions(2, few), 8)  # the first ones allocate
        for _ in range(self._repeat):
            one, sixteen = self._questions(1, few[:1]), self._questions(16, few)
            self._take("ours one", partial(self._bench.ask, one))
            self._take("ours sixteen", partial(self._bench.ask, sixteen))
            for name, peer in others.items():
                self._take_peer(f"{name} one", peer, one)
                self._take_peer(f"{name} sixteen", peer, sixteen)

    def _take_peer(self, name: str, peer: Peer, questions: Sequence[Question]) -> None:
        asked = [(each.prompt, each.adapter.path if each.adapter else None) for each in questions]
        self._take(name, lambda: peer.answer(asked, ANSWER))

    def _take(self, name: str, work: Callable[[], object]) -> None:
        seconds = timed(work, 1)
        self._seconds[name].append(seconds)
        print(f"{time.perf_counter() - self._started:6.1f} s  {name}: {seconds:.2f} s", file=sys.stderr, flush=True)

    def _among_ourselves(self) -> None:
        backend: Any = self._bench.scheduler.backend
        for _ in range(self._repeat):
            self._take("ours sixteen, one adapter", lambda: self._bench.ask(self._questions(16, self._adapters[:1])))
            self._take("ours sixteen, four", lambda: self._bench.ask(self._questions(16, self._adapters[:4])))
            self._follow_up()
            backend.guessing = False
            self._take("ours one, unguessed", lambda: self._bench.ask(self._questions(1, self._adapters[:1])))
            for _ in range(STEPS):
                self._step("step of 8, no adapter", [None])
                self._step("step of 8, 8 adapters", self._adapters[:8])
            backend.guessing = True
        for ref in self._adapters:
            backend.adapters.load(ref)
        for _ in range(self._repeat):
            self._take("ours sixteen, of 64", lambda: self._bench.ask(self._questions(16, self._adapters[-16:])))

    def _step(self, name: str, adapters: Sequence[AdapterRef | None]) -> None:
        timings = self._bench.ask(self._questions(8, adapters), ANSWER)
        # While the last one to be read writes its first tokens, all eight write.
        self._seconds[name].append(max(timings, key=lambda timing: timing.first).step)

    def _follow_up(self) -> None:
        (question,) = self._questions(1, self._adapters[:1])
        (timing,) = self._bench.ask([question])
        longer = (*question.prompt, *timing.tokens, *self._text[:20])
        for name, prompt in (("follow-up", longer), ("follow-up, cold", (7, *longer[1:]))):
            again = Question(prompt, question.adapter, question.department)
            self._seconds[name].append(self._bench.ask([again], 1)[0].first)

    def _ratios(self) -> dict[str, float | None]:
        seconds = {name: median(values) for name, values in self._seconds.items()}

        def ratio(theirs: str, ours: str) -> float | None:
            if theirs not in seconds:
                return None
            # Of neighbours in time, because the clock moves between turns.
            pairs = zip(self._seconds[theirs], self._seconds[ours], strict=True)
            return median(their / our for their, our in pairs)

        pefts = [name for name in seconds if name.startswith("peft") and "sixteen" in name]
        best = min(pefts, key=seconds.__getitem__, default="no peer")
        return {
            "one_answer_vs_hf_peft": ratio("peft fp32 one", "ours one"),
            "one_answer_vs_hf_peft_without_guessing": ratio("peft fp32 one", "ours one, unguessed"),
            "one_answer_vs_llama_cpp": ratio("llama.cpp one", "ours one"),
            "one_answer_vs_vllm": ratio("vllm one", "ours one"),
            "sixteen_mixed_vs_peft": ratio(best, "ours sixteen"),
            "sixteen_mixed_vs_vllm": ratio("vllm sixteen", "ours sixteen"),
            "sixteen_mixed_vs_vllm_without_adapters": ratio("vllm, no adapter sixteen", "ours sixteen"),
            "mixed_vs_single_adapter": ratio("ours sixteen, one adapter", "ours sixteen, four"),
            "follow_up_first_token": ratio("follow-up, cold", "follow-up"),
            "adapters_8_rows_vs_none": ratio("step of 8, 8 adapters", "step of 8, no adapter"),
            "sixty_four_adapters_vs_four": ratio("ours sixteen, four", "ours sixteen, of 64"),
        }

    def _batch_invariant(self, batches: int) -> bool:
        """Return whether random questions get the same tokens alone and in random batches."""
        pool = []
        for number in range(24):
            adapters = [None, *self._adapters[:6]]
            pool += self._questions(1, [adapters[number % 7]], self._random.randrange(10, 120))
        alone = {question: self._bench.ask([question], 12)[0].tokens for question in pool}
        for _ in range(batches):
            drawn = self._random.choices(pool, k=self._random.randrange(2, 17))
            # A department of its own: nothing is found in the cache, so everything is computed in this batch.
            fresh = [Question(q.prompt, q.adapter, f"{self._random.random()}") for q in drawn]
            answers = self._bench.ask(fresh, 12)
            if any(timing.tokens != alone[question] for question, timing in zip(drawn, answers, strict=True)):
                return False
        return True

    def _perplexity_change(self) -> float:
        """Return by which share perplexity in the served format differs from float32, over 512 tokens at a time."""
        decoder = self._bench.scheduler.backend.decoder  # type: ignore[attr-defined] # ours is Llama-shaped
        reference = load_model(self._path, torch.float32, "cpu")
        size, differences = 512, []
        for start in range(0, (1 if self._arguments.quick else 12) * size, size):
            ids = self._text[start : start + size]
            served = decoder.forward([Segment(ids, 0, range(size // PAGE), wanted=size)])
            with torch.inference_mode():
                expected = reference(torch.tensor([ids])).logits[0]
            differences.append(_loss(served, ids) - _loss(expected, ids))
        return math.exp(sum(differences) / len(differences)) - 1

    def _swap_stall(self) -> float:
        """Return by how many seconds the longest pause of a running answer grows while adapters are read from disk."""
        self._bench.scheduler.backend.adapters.clear()
        backend: Any = self._bench.scheduler.backend
        backend.guessing = False
        (warm,) = self._questions(1, self._adapters[:1])
        self._bench.ask([warm], 2)
        quiet = self._bench.ask([warm], 100)[0]
        busy = self._bench.ask(
            [warm], 100, meanwhile=lambda: [backend.adapters.load(ref) for ref in self._adapters[1:5]]
        )[0]
        backend.guessing = True
        return max(0.0, busy.longest - quiet.longest)

    def _start(self) -> float:
        """Return the seconds from starting Python to the first piece of an answer, files in the page cache."""
        code = (
            "import asyncio, sys\nfrom pathlib import Path\nfrom bot.inference.local.engine import LocalEngine\n"
            "from bot.domain.questions import ChatMessage\nfrom bot.domain.generation import GenerationRequest\n"
            "async def main():\n e = LocalEngine(Path(sys.argv[1]), threads=2)\n"
            " await e.start()\n"
            " await anext(e.generate(GenerationRequest((ChatMessage('user', 'What is a vote?'),))))\n"
            " await e.stop()\nasyncio.run(main())\n"
        )
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(self._path)], check=True)  # noqa: S603 - ourselves
        return time.perf_counter() - started


def _loss(logits: torch.Tensor, ids: Sequence[int]) -> float:
    return float(torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])))


if __name__ == "__main__":
    main()
