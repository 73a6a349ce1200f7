"""A fake vLLM server on loopback that answers with an engine of the test's choice, and fails on command.

Its paths, statuses, error bodies and streams are those of vLLM, taken from its source and its responses.
``tests/bot/inference/contract/test_vllm.py`` runs the same tests on a real one.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import aclosing
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from bot.domain.errors import EngineError
from bot.domain.generation import AdapterRef, GenerationRequest, Refusal
from bot.domain.questions import ChatMessage
from bot.storage.artifacts import read_manifest

if TYPE_CHECKING:
    from bot.domain.ports import Engine

Fault = Literal[
    "status 500",
    "status 503",
    "status 429",
    "status 401",
    "drop",
    "drop in mid-answer",
    "error event",
    "error event in mid-answer",
    "abort in mid-answer",
    "hang",
    "hang in mid-answer",
    "nonsense",
]
WORK_SECONDS = 0.01
"""What the loading and the unloading of an adapter take, during which others ask."""

KINDS = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 503: "ServiceUnavailableError"}


class FakeModelServer:
    """Implements the part of vLLM's API that Mentee uses: models, streamed chat completions, adapters at run time.

    ``url`` is its address. ``calls`` records each request's path and body. The next chat completions fail with
    ``faults``, in order; loading an adapter fails with ``refusal``, a status and a text. ``restart()`` forgets the
    adapters, as a restarted server does. ``open_answers`` is the number of answers being streamed.

    :param engine: answers; it must be started.
    :param model: the base model's name.
    :param replicas: servers behind the address, which take turns; each has its own adapters.
    :param lora: whether adapters can be loaded at run time.
    """

    def __init__(self, engine: Engine, model: str, *, replicas: int = 1, lora: bool = True) -> None:
        self.engine = engine
        self.model = model
        self.url = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: deque[Fault] = deque()
        self.refusal: tuple[int, str] | None = None
        self.replicas: tuple[dict[str, Path], ...] = tuple({} for _ in range(replicas))
        self.open_answers = 0
        self._lora = lora
        self._port = 0
        self._turns = cycle(self.replicas)
        self._runner: web.AppRunner | None = None

    @property
    def adapters(self) -> dict[str, Path]:
        """The adapters of the (first) server, by name."""
        return self.replicas[0]

    async def start(self) -> None:
        """Listen on a free port of loopback, or on the same one as before."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        if self._lora:
            app.router.add_post("/v1/load_lora_adapter", self._load)
            app.router.add_post("/v1/unload_lora_adapter", self._unload)
        app.router.add_route("*", "/{anything:.*}", _nowhere)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()

    def restart(self) -> None:
        """Forget all adapters."""
        for adapters in self.replicas:
            adapters.clear()

    async def _models(self, _request: web.Request) -> web.Response:
        base = {"id": self.model, "object": "model", "root": self.model, "parent": None, "max_model_len": 8192}
        cards = [
            {"id": name, "object": "model", "root": str(path), "parent": self.model, "max_model_len": None}
            for name, path in next(self._turns).items()
        ]
        return web.json_response({"object": "list", "data": [base, *cards]})

    async def _load(self, request: web.Request) -> web.Response:
        body, adapters = await self._body(request), next(self._turns)
        name, path = body["lora_name"], Path(body["lora_path"])
        await asyncio.sleep(WORK_SECONDS)
        if self.refusal:
            return _error(*self.refusal)
        if name in adapters:
            problem = f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, "
            return _error(400, f"{problem}set 'load_inplace' to True.", "InvalidUserInput")
        if not (path / "adapter_config.json").is_file():
            return _error(404, f"Loading lora {name} failed: No adapter found for {path}")
        adapters[name] = path
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        body, adapters = await self._body(request), next(self._turns)
        name = body["lora_name"]
        await asyncio.sleep(WORK_SECONDS)
        if adapters.pop(name, None) is None:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body, adapters = await self._body(request), next(self._turns)
        fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "drop" and request.transport:
            request.transport.close()
        if fault and fault.startswith("status"):
            return _error(int(fault.removeprefix("status ")), "scripted")
        if body["model"] not in {self.model, *adapters}:
            return _error(404, f"The model `{body['model']}` does not exist.")
        asked = _asked(body, adapters.get(body["model"]))
        tokens, room = self.engine.count_tokens(asked.messages), self.engine.info.context_tokens
        if tokens > room:
            return _error(400, f"Input length ({tokens}) exceeds model's maximum context length ({room}).")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        self.open_answers += 1
        try:
            await self._answer(asked, response, fault)
        except EngineError as error:
            await _failure(response, error.text, 500)
        finally:
            self.open_answers -= 1
        return response

    async def _answer(self, asked: GenerationRequest, response: web.StreamResponse, fault: Fault | None) -> None:
        if fault == "error event":
            await _failure(response, "EngineCore encountered an issue.", 503)
            return
        await response.write(b": keep-alive\n\n")
        await _delta(response, {"role": "assistant", "content": ""})
        async with aclosing(self.engine.generate(asked)) as pieces:
            async for piece in pieces:
                await _delta(response, {"refusal" if isinstance(piece, Refusal) else "content": piece})
                if fault and await _torn(response, fault):
                    return
        await _delta(response, {}, "stop")
        await _send(response, {"choices": [], "usage": {"total_tokens": 1}})
        await response.write(b"data: [DONE]\n\n")

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.calls.append((request.path, body))
        return body


async def _nowhere(_request: web.Request) -> web.Response:
    return _error(404, "Not Found", "Not Found")


def _asked(body: dict[str, Any], adapter: Path | None) -> GenerationRequest:
    base = read_manifest(adapter, "adapter").meta["base_model"] if adapter else ""
    return GenerationRequest(
        tuple(ChatMessage(row["role"], row["content"]) for row in body["messages"]),
        adapter=AdapterRef(body["model"], adapter, base) if adapter else None,
        max_new_tokens=body["max_tokens"],
        temperature=body["temperature"],
        seed=body["seed"],
        stop=tuple(body.get("stop", ())),
    )


def _error(status: int, problem: str, kind: str = "") -> web.Response:
    error = {
        "message": problem,
        "type": kind or KINDS.get(status, "InternalServerError"),
        "param": None,
        "code": status,
    }
    return web.json_response({"error": error}, status=status, headers={"Retry-After": "7"})


async def _torn(response: web.StreamResponse, fault: Fault) -> bool:
    """Fail after the first piece; return whether that ends the answer."""
    if fault == "nonsense":
        await response.write(b"data: {nonsense\n\n")
    elif fault == "hang in mid-answer":
        await asyncio.sleep(3600)
    elif fault == "error event in mid-answer":
        await _failure(response, "EngineCore encountered an issue.", 500)
    elif fault == "abort in mid-answer":
        await _delta(response, {}, "abort")
        await response.write(b"data: [DONE]\n\n")
    return True


async def _failure(response: web.StreamResponse, problem: str, code: int) -> None:
    kind = KINDS.get(code, "InternalServerError")
    await _send(response, {"error": {"message": problem, "type": kind, "param": None, "code": code}})
    await response.write(b"data: [DONE]\n\n")


async def _delta(response: web.StreamResponse, delta: dict[str, Any], reason: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    await _send(response, {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    # As they are, like vLLM: characters such as U+2028 end lines elsewhere.
    await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
