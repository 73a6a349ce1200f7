"""The contract of engines (bot.testing.engine_contract), on the local one, on servers', and on the scripted one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.inference.local.engine import LocalEngine
from bot.inference.openai.engine import OpenAIEngine
from bot.testing.engine_contract import ENDLESS, EngineContract, ModelContract, TinyBench
from bot.testing.engines import ScriptedEngine
from bot.testing.fake_model_server import FakeModelServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from bot.domain.generation import AdapterRef, GenerationRequest
    from bot.testing.tiny import TinyAdapterFactory


class TestScripted(EngineContract):
    @pytest.fixture
    async def bench(self, tiny_adapter_factory: TinyAdapterFactory) -> AsyncIterator[TinyBench]:
        bench = ScriptedBench(tiny_adapter_factory)
        yield bench
        await bench.close()


class ScriptedBench(TinyBench):
    """An engine whose tokens are words, and which reads no adapters."""

    def __init__(self, make_adapter: TinyAdapterFactory) -> None:
        super().__init__(self._open, make_adapter)
        self._texts: dict[str, str] = {}

    def adapter(self, text: str) -> AdapterRef:
        ref = super().adapter(text)
        self._texts[ref.version] = text
        return ref

    def cut(self, text: str, tokens: int) -> str:
        return " ".join(text.split()[:tokens])

    def under_way(self) -> int:
        return sum(engine.running for engine in self.opened if isinstance(engine, ScriptedEngine))

    def _open(self, *, queue: int, seconds: float) -> ScriptedEngine:  # noqa: ARG002 - it knows no time limit
        return ScriptedEngine(self._text, delay=0.001, queue=queue)

    def _text(self, request: GenerationRequest) -> str:
        return self._texts[request.adapter.version] if request.adapter else "on and " * ENDLESS


class TestLocal(ModelContract):
    @pytest.fixture
    async def bench(self, tiny_model: Path, tiny_adapter_factory: TinyAdapterFactory) -> AsyncIterator[TinyBench]:
        bench = TinyBench(
            lambda **limits: LocalEngine(tiny_model, dtype="float32", threads=1, **limits), tiny_adapter_factory
        )
        yield bench
        await bench.close()


class TestServer(ModelContract):
    """One server at one address."""

    replicas: tuple[int, ...] = (1,)

    @pytest.fixture
    async def bench(self, tiny_model: Path, tiny_adapter_factory: TinyAdapterFactory) -> AsyncIterator[TinyBench]:
        behind = LocalEngine(tiny_model, dtype="float32", threads=1)
        await behind.start()
        servers = [FakeModelServer(behind, tiny_model.name, replicas=count) for count in self.replicas]
        for server in servers:
            await server.start()
        bench = ServerBench(servers, tiny_adapter_factory)
        yield bench
        await bench.close()
        for server in servers:
            await server.stop()
        await behind.stop()


class TestServers(TestServer):
    """Two addresses, behind one of which stand two servers."""

    replicas = (2, 1)


class ServerBench(TinyBench):
    def __init__(self, servers: Sequence[FakeModelServer], make_adapter: TinyAdapterFactory) -> None:
        super().__init__(self._open, make_adapter)
        self._servers = servers

    def under_way(self) -> int:
        return sum(server.open_answers for server in self._servers)

    def _open(self, **limits: Any) -> OpenAIEngine:
        return OpenAIEngine(" ".join(server.url for server in self._servers), self._servers[0].model, **limits)
