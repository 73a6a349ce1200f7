"""An OpenAI-compatible server on loopback that answers with an engine of the test's choice, and fails on command."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from bot.artifacts import read_manifest
from bot.messages import ChatMessage
from bot.protocols import AdapterRef, GenerationRequest

if TYPE_CHECKING:
    from bot.protocols import Engine

Fault = Literal["status 500", "status 429", "drop", "drop in mid-answer", "hang", "nonsense"]


class FakeModelServer:
    """Speaks the part of vLLM's HTTP that Mentee uses: models, streamed chat completions, adapters at run time.

    ``url`` is its address once started. ``calls`` records (path, body). ``faults`` are used up by the next chat
    completions, in order. ``restart()`` forgets the adapters, as a restarted server does. ``open_answers`` counts the
    answers that are being streamed.

    :param engine: what answers; it must be started.
    :param model: the base model's served name.
    """

    def __init__(self, engine: Engine, model: str) -> None:
        self.engine = engine
        self.model = model
        self.url = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: deque[Fault] = deque()
        self.adapters: dict[str, Path] = {}
        self.open_answers = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()

    def restart(self) -> None:
        """Forget what was loaded."""
        self.adapters.clear()

    async def _models(self, _request: web.Request) -> web.Response:
        names = [self.model, *self.adapters]
        return web.json_response({"data": [{"id": name, "max_model_len": 8192} for name in names]})

    async def _load(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        name, path = body["lora_name"], Path(body["lora_path"])
        if name in self.adapters:
            return web.json_response({"message": f"The lora adapter '{name}' has already been loaded."}, status=400)
        if not (path / "adapter_config.json").is_file():
            return web.json_response({"error": {"message": f"No adapter found for {path}"}}, status=400)
        self.adapters[name] = path
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        known = self.adapters.pop(body["lora_name"], None)
        return web.Response(text="Success") if known else web.json_response({"message": "not found"}, status=404)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "drop" and request.transport:
            request.transport.close()
        if fault in {"status 500", "status 429"}:
            status = int(fault.removeprefix("status "))
            return web.json_response({"error": {"message": "scripted"}}, status=status, headers={"Retry-After": "7"})
        if body["model"] not in {self.model, *self.adapters}:
            problem = f"The model `{body['model']}` does not exist."
            return web.json_response({"error": {"message": problem}}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.open_answers += 1
        try:
            await self._answer(body, response, fault)
        finally:
            self.open_answers -= 1
        return response

    async def _answer(self, body: dict[str, Any], response: web.StreamResponse, fault: Fault | None) -> None:
        await _send(response, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        pieces = self.engine.generate(self._request(body))
        try:
            async for piece in pieces:
                await _send(response, {"choices": [{"delta": {"content": piece}}]})
                if fault == "nonsense":
                    await response.write(b"data: {nonsense\n\n")
                if fault == "drop in mid-answer":
                    return
        finally:
            await pieces.aclose()
        await response.write(b"data: [DONE]\n\n")

    def _request(self, body: dict[str, Any]) -> GenerationRequest:
        path = self.adapters.get(body["model"])
        base = read_manifest(path, "adapter").meta["base_model"] if path else ""
        return GenerationRequest(
            tuple(ChatMessage(row["role"], row["content"]) for row in body["messages"]),
            adapter=AdapterRef(body["model"], path, base) if path else None,
            max_new_tokens=body["max_tokens"],
            temperature=body["temperature"],
            seed=body["seed"],
            stop=tuple(body.get("stop", ())),
        )

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.calls.append((request.path, body))
        return body


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())
