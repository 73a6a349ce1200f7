"""The peers of ``benchmarks/engine.py``: each answers prompts of token ids with exactly so many tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bot.inference.loading import load_model, pick_dtype, wrapping_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

Asked = tuple[tuple[int, ...], "Path | None"]
"""A prompt, and the folder of its adapter."""


class Peer(Protocol):
    """Something else that answers."""

    def answer(self, asked: Sequence[Asked], tokens: int) -> None:
        """Answer all, as many at once as it can."""


class TransformersPeft:
    """transformers' ``generate`` with peft; several questions as one batch with ``adapter_names``."""

    def __init__(self, model: PreTrainedModel, adapters: Sequence[Path]) -> None:
        from peft import PeftModel

        self._names = {None: "__base__"} | {each: f"peer{n}" for n, each in enumerate(adapters)}
        with wrapping_model():
            self._model: Any = PeftModel.from_pretrained(model, str(adapters[0]), adapter_name="peer0")
            for number, each in enumerate(adapters[1:], 1):
                self._model.load_adapter(str(each), adapter_name=f"peer{number}")
        self._model = self._model.to(model.device, model.dtype).eval()
        self._model.base_model.model.generation_config.pad_token_id = 0

    @torch.inference_mode()
    def answer(self, asked: Sequence[Asked], tokens: int) -> None:
        """Answer all in one batch; prompts are of one length here, so nothing is padded."""
        ids = torch.tensor([prompt for prompt, _ in asked], device=self._model.device)
        names = [self._names[adapter] for _, adapter in asked]
        mixed = {"adapter_names": names} if len(names) > 1 else {}
        if not mixed:
            self._model.set_adapter(names[0])
        self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            **mixed,
        )


class LlamaCpp:
    """llama.cpp through llama-cpp-python, without an adapter (which favours it), one question after the other."""

    def __init__(self, gguf: Path, threads: int) -> None:
        import llama_cpp

        self._model = llama_cpp.Llama(
            str(gguf), n_ctx=2048, n_threads=threads, n_threads_batch=threads, n_batch=1024, verbose=False
        )

    def answer(self, asked: Sequence[Asked], tokens: int) -> None:
        """Answer one after the other; the end token is not looked at."""
        for prompt, _ in asked:
            self._model.reset()
            for number, _token in enumerate(self._model.generate(list(prompt), temp=0.0), 1):
                if number == tokens:
                    break


class Vllm:
    """A vLLM server that runs already, with adapters loaded at run time (``--enable-lora``); without any, its base."""

    def __init__(self, url: str, adapters: Sequence[Path]) -> None:
        import httpx2

        self._client = httpx2.Client(base_url=url, timeout=600)
        self._base = self._client.get("/v1/models").raise_for_status().json()["data"][0]["id"]
        self._names = {None: self._base} | {each: f"bench-{each.name}" for each in adapters}
        for each in adapters:
            loaded = self._client.post(
                "/v1/load_lora_adapter", json={"lora_name": self._names[each], "lora_path": str(each)}
            )
            if loaded.status_code not in {200, 400}:  # 400: loaded by an earlier run
                loaded.raise_for_status()

    def answer(self, asked: Sequence[Asked], tokens: int) -> None:
        """Answer all at once."""
        with ThreadPoolExecutor(len(asked)) as pool:
            list(pool.map(lambda each: self._one(*each, tokens), asked))

    def _one(self, prompt: tuple[int, ...], adapter: Path | None, tokens: int) -> None:
        body = {
            "model": self._names.get(adapter, self._base),
            "prompt": list(prompt),
            "max_tokens": tokens,
            "ignore_eos": True,
            "temperature": 0,
        }
        self._client.post("/v1/completions", json=body).raise_for_status()


def peers(path: Path, adapters: Sequence[Path], *, gguf: Path | None, vllm_url: str, threads: int) -> dict[str, Peer]:
    """Return the peers that can run here, by name."""
    found: dict[str, Peer] = {"peft fp32": TransformersPeft(load_model(path, torch.float32, "cpu"), adapters)}
    if pick_dtype("auto", "cpu") == torch.bfloat16:  # without the instructions it is several times slower than float32
        found["peft bf16"] = TransformersPeft(load_model(path, torch.bfloat16, "cpu"), adapters)
    if gguf and find_spec("llama_cpp"):
        found["llama.cpp"] = LlamaCpp(gguf, threads)
    if vllm_url:
        found["vllm"] = Vllm(vllm_url, adapters)
        found["vllm, no adapter"] = Vllm(vllm_url, [])
    return found
