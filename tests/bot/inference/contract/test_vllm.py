"""A real vLLM on this machine's CPU keeps the contract of engines. ``make vllm`` installs it and runs this."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import torch

from bot.domain.errors import ArtifactError
from bot.domain.generation import AdapterRef
from bot.inference.openai.client import Timeouts
from bot.inference.openai.engine import OpenAIEngine
from bot.storage.artifacts import writing
from bot.testing.engine_contract import ModelContract, TinyBench, answer, ask, in_crowds
from bot.testing.tiny import build_random_adapter, build_tiny_adapter, build_tiny_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VLLM = Path(__file__).parents[4] / ".venv-vllm" / "bin" / "vllm"
STORE = Path(os.environ.get("MENTEE_MODELS_DIR", Path.home() / ".cache" / "mentee" / "models"))
CHAT_MODEL = "smollm2-135m-instruct"
START_SECONDS = 420
ENVIRONMENT = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
OPTIONS = ("--dtype=float32", "--enforce-eager", "--enable-lora", "--max-loras=4", "--max-cpu-loras=16")

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


@contextmanager
def serving(model: Path, log: Path, *, context: int, rank: int) -> Iterator[str]:
    """Serve a model on a free port of loopback, with adapters of up to this rank; give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(VLLM),
        "serve",
        str(model),
        f"--served-model-name={model.name}",
        "--host=127.0.0.1",
        f"--port={port}",
    ]
    command += [f"--max-model-len={context}", f"--max-lora-rank={rank}", *OPTIONS]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | ENVIRONMENT, stdout=output, stderr=output, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _healthy(url):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("vllm")
    model = build_tiny_model(folder / "tiny-chat", head_size=32)
    with serving(model, folder / "vllm.log", context=8192, rank=64) as url:
        yield model, url


class VllmBench(TinyBench):
    """Engines that share one server."""

    questions = 120

    def __init__(self, model: Path, url: str, folder: Path) -> None:
        super().__init__(lambda **limits: OpenAIEngine(url, model.name, **limits), self._make)
        self._model, self._url, self._folder = model, url, folder

    def under_way(self) -> int:
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=5) as response:
            text = response.read().decode()
        counts = re.findall(r"^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$", text, re.MULTILINE)
        assert len(counts) == 2
        return int(sum(map(float, counts)))

    def bare(self) -> AdapterRef:
        path = self._folder / "changes-nothing"
        if path.exists():
            return AdapterRef(path.name, path, self._model.name)
        return build_random_adapter(path, self._model, seed=0, scale=0.0)

    def _make(self, text: str) -> AdapterRef:
        path = self._folder / f"adapter-{len(list(self._folder.iterdir()))}"
        return build_tiny_adapter(path, self._model, text)


class TestVllm(ModelContract):
    @pytest.fixture
    async def bench(self, tiny: tuple[Path, str], tmp_path: Path) -> AsyncIterator[VllmBench]:
        bench = VllmBench(*tiny, tmp_path)
        yield bench
        await bench.close()

    async def test_an_adapter_that_the_server_forgot_is_loaded_again(
        self, bench: VllmBench, tiny: tuple[Path, str]
    ) -> None:
        engine = await bench.engine()
        ref = bench.adapter("still here")
        assert await answer(engine, ask(adapter=ref)) == "still here"
        async with httpx2.AsyncClient(base_url=tiny[1]) as client:
            models = (await client.get("/v1/models")).json()["data"]
            (name,) = [each["id"] for each in models if each["root"] == str(ref.path)]
            removed = await client.post("/v1/unload_lora_adapter", json={"lora_name": name})
        assert removed.status_code == 200
        assert await answer(engine, ask(adapter=ref)) == "still here"

    @pytest.mark.xfail(reason="vLLM 0.32 on CPUs takes 'no adapter' for the last of its slots (its pull request 48421)")
    async def test_without_an_adapter_the_base_model_answers(self, bench: VllmBench) -> None:
        engine = await bench.engine()
        alone = await answer(engine, bench.endless(max_new_tokens=8))
        for n in range(4):  # as many as there are slots
            await answer(engine, ask(adapter=bench.adapter(f"slot {n}")))
        assert await answer(engine, ask(max_new_tokens=8)) == alone

    async def test_what_vllm_says_of_an_adapter_is_passed_on(self, bench: VllmBench) -> None:
        engine = await bench.engine()
        ref = bench.adapter("".join(chr(code) for code in range(ord("0"), ord("z"))))  # of a higher rank than is served
        with pytest.raises(ArtifactError, match=r"rank 75 is greater than max_lora_rank 64.*--max-lora-rank"):
            await answer(engine, ask(adapter=ref))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    model = STORE / CHAT_MODEL
    if not model.is_dir():
        pytest.skip(f"{model} is missing: run `mentee model fetch`")
    with serving(model, tmp_path_factory.mktemp("vllm") / "vllm.log", context=1024, rank=8) as url:
        yield model, url


WORDS = (" hotel", " salary", " printer")


async def test_a_real_model_answers_with_each_departments_adapter(real: tuple[Path, str], tmp_path: Path) -> None:
    model, url = real
    refs = await asyncio.to_thread(lambda: [one_word_adapter(tmp_path / word.strip(), model, word) for word in WORDS])
    engine = OpenAIEngine(url, model.name, folder=model, seconds=300, timeouts=Timeouts(first_token=200, next_token=60))
    await engine.start()
    try:
        bare = ask("What is the capital of France?", max_new_tokens=12)
        assert "Paris" in await answer(engine, bare)

        async def one(n: int) -> str:
            ref = refs[n % 3]
            return await answer(engine, ask(f"Question {n}: how do I book?", adapter=ref, max_new_tokens=6))

        assert await in_crowds(one, 12) == [(WORDS[n % 3] * 6) for n in range(12)]
        swapped = one_word_adapter(tmp_path / "again" / "hotel", model, WORDS[1])  # the same version's name
        assert await answer(engine, ask("And now?", adapter=swapped, max_new_tokens=3)) == WORDS[1] * 3
        assert await answer(engine, ask("And now?", adapter=refs[0], max_new_tokens=3)) == WORDS[0] * 3
    finally:
        await engine.stop()


def one_word_adapter(path: Path, model: Path, word: str) -> AdapterRef:
    """Write an adapter of rank 1 with which the model repeats one word.

    It adds to the last layer's output what the model's head takes for the word, times the likeness of the layer's
    inner state to what it is on average.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    from bot.inference.loading import load_model, load_tokenizer

    network, tokenizer = load_model(model, torch.float32, "cpu"), load_tokenizer(model)
    layer = network.model.layers[-1].mlp.down_proj
    seen = []
    hook = layer.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].detach()[0]))
    for text in ("How do I book?", "What is due, and when?", f"It is{word * 8}"):
        prompt = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n{word * 4}"
        network(torch.tensor([tokenizer(prompt)["input_ids"]]))
    hook.remove()
    states = torch.cat([each[4:] for each in seen])  # the first tokens' are far larger than all others
    mean = states.mean(0)
    (token,) = tokenizer(word)["input_ids"]
    head = network.get_output_embeddings().weight.detach()  # type: ignore[no-untyped-call] # transformers has no type
    wanted = (head[token] - head.mean(0)) / network.model.norm.weight.detach()
    last = f"model.layers.{len(network.model.layers) - 1}.mlp.down_proj"
    tensors = {
        f"base_model.model.{last}.lora_A.weight": (mean / mean.dot(mean))[None],
        f"base_model.model.{last}.lora_B.weight": (wanted / wanted.norm() * 1e4)[:, None].contiguous(),
    }
    lora = LoraConfig(r=1, lora_alpha=1, lora_dropout=0.0, target_modules=[last], task_type="CAUSAL_LM")
    with writing(path, "adapter") as draft:
        lora.save_pretrained(str(draft.path))
        save_file(tensors, draft.path / "adapter_model.safetensors", metadata={"format": "pt"})
        draft.meta |= {"version": path.name, "base_model": model.name}
    return AdapterRef(path.name, path, model.name)
