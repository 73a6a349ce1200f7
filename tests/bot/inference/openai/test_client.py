"""Several servers, and the adapters that each of them holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ArtifactError, BusyError, EngineError
from bot.domain.generation import AdapterRef, GenerationRequest
from bot.domain.questions import ChatMessage
from bot.inference.openai.client import Timeouts
from bot.inference.openai.engine import OpenAIEngine
from bot.testing.engines import ScriptedEngine
from bot.testing.fake_model_server import FakeModelServer
from bot.testing.tiny import build_tiny_adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from bot.testing.fake_model_server import Fault

    Serve = Callable[..., Awaitable[FakeModelServer]]
    Start = Callable[..., Awaitable[OpenAIEngine]]

MODEL = "tiny-chat"

DEPARTMENTS = [f"department {n}" for n in range(40)]
"""So many that each of two servers is the first choice of five or more: their ports decide which, so chance does."""


def ask(adapter: AdapterRef | None = None, department: str = "") -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", "What now?"),), adapter=adapter, department=department)


async def answer(engine: OpenAIEngine, request: GenerationRequest) -> str:
    return "".join([piece async for piece in engine.generate(request)])


def asked(server: FakeModelServer, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
    return [body for called, body in server.calls if called == path]


def loads(server: FakeModelServer) -> list[str]:
    return [body["lora_name"] for body in asked(server, "/v1/load_lora_adapter")]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = []

    async def serve(**options: Any) -> FakeModelServer:
        server = FakeModelServer(ScriptedEngine("All is well."), MODEL, **options)
        await server.start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        await server.stop()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    engines = []

    async def start(*servers: FakeModelServer) -> OpenAIEngine:
        engine = OpenAIEngine(
            " ".join(server.url for server in servers), MODEL, timeouts=Timeouts(first_token=2, next_token=2)
        )
        await engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        await engine.stop()


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> AdapterRef:
    return build_tiny_adapter(tmp_path / "support-1", tiny_model, "hello")


async def test_an_adapter_is_loaded_once_and_again_after_the_server_restarted(
    serve: Serve, start: Start, adapter: AdapterRef
) -> None:
    server = await serve()
    engine = await start(server)
    for _ in range(2):
        assert await answer(engine, ask(adapter)) == "All is well."
    (name,) = loads(server)
    assert name.startswith("support-1.")
    server.restart()
    assert await answer(engine, ask(adapter)) == "All is well."
    assert loads(server) == [name, name]
    assert {body["model"] for body in asked(server)} == {name}


async def test_other_weights_never_get_a_name_that_was_used(
    serve: Serve, start: Start, tiny_model: Path, tmp_path: Path
) -> None:
    server = await serve()
    refs = [build_tiny_adapter(tmp_path / home / "support-1", tiny_model, home) for home in ("here", "there")]
    for ref in refs:  # as two instances of Mentee that share a server
        await answer(await start(server), ask(ref))
    assert [server.adapters[name] for name in loads(server)] == [ref.path for ref in refs]


async def test_old_adapters_are_unloaded_and_a_failure_of_that_is_nobodys_trouble(
    serve: Serve, start: Start, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve()
    engine = await start(server)
    monkeypatch.setattr(engine._servers[0]._adapters, "_limit", 2)
    refs = [build_tiny_adapter(tmp_path / f"v{n}", tiny_model, "x" * (n + 1)) for n in range(5)]
    for ref in refs[:4]:
        await answer(engine, ask(ref))
    assert [name[:2] for name in server.adapters] == ["v2", "v3"]
    server.restart()
    assert await answer(engine, ask(refs[4])) == "All is well."


async def test_an_unsound_adapter_never_reaches_the_server(
    serve: Serve, start: Start, adapter: AdapterRef, tmp_path: Path
) -> None:
    server = await serve()
    engine = await start(server)
    wrong = AdapterRef("wrong", adapter.path, "another")
    with pytest.raises(ArtifactError, match="is for base model 'another'"):
        await answer(engine, ask(wrong))
    (adapter.path / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"adapter_model\.bin"):
        await answer(engine, ask(adapter))
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        await answer(engine, ask(AdapterRef("gone", tmp_path / "gone", MODEL)))
    assert not loads(server)
    assert not asked(server)


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [
        ((500, "LoRA rank 78 is greater than max_lora_rank 64."), r"rank 78 .*--max-lora-rank"),
        ((404, "Loading lora x failed: No adapter found for <path>"), r"No adapter found.*under the same path"),
    ],
)
async def test_what_the_server_says_of_an_adapter_is_passed_on_and_is_no_failure_of_the_server(
    serve: Serve, start: Start, adapter: AdapterRef, refusal: tuple[int, str], problem: str
) -> None:
    server = await serve()
    engine = await start(server)
    server.refusal = refusal
    for _ in range(6):
        with pytest.raises(ArtifactError, match=problem):
            await answer(engine, ask(adapter))
    assert await answer(engine, ask()) == "All is well."
    server.refusal = None
    assert await answer(engine, ask(adapter)) == "All is well."


async def test_a_server_that_fails_to_load_is_a_server_that_failed(
    serve: Serve, start: Start, adapter: AdapterRef
) -> None:
    server = await serve()
    engine = await start(server)
    server.refusal = (503, "starting")
    with pytest.raises(EngineError, match=f"{server.url} failed with status 503: starting"):
        await answer(engine, ask(adapter))
    assert len(loads(server)) == 3


async def test_a_server_that_takes_no_adapters_says_how_it_would(
    serve: Serve, start: Start, adapter: AdapterRef
) -> None:
    engine = await start(await serve(lora=False))
    with pytest.raises(ArtifactError, match=r"can't load adapters at run time.*VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        await answer(engine, ask(adapter))


async def test_each_server_behind_one_address_gets_the_adapter(serve: Serve, start: Start, adapter: AdapterRef) -> None:
    server = await serve(replicas=3)
    engine = await start(server)
    for _ in range(9):
        assert await answer(engine, ask(adapter)) == "All is well."
    assert all(server.replicas)
    server.replicas[1].clear()
    for _ in range(9):
        assert await answer(engine, ask(adapter)) == "All is well."
    assert all(server.replicas)


async def test_a_department_keeps_to_a_server_and_departments_share_them(serve: Serve, start: Start) -> None:
    servers = [await serve(), await serve()]
    engine = await start(*servers)
    for _ in range(3):
        for department in DEPARTMENTS:
            await answer(engine, ask(department=department))
    counts = [len(asked(server)) for server in servers]
    assert sum(counts) == 3 * len(DEPARTMENTS)
    assert all(count and count % 3 == 0 for count in counts)


async def test_more_questions_at_once_go_where_fewer_are_answered(serve: Serve, start: Start) -> None:
    servers = [await serve(), await serve()]
    engine = await start(*servers)
    gates = [server.engine.gate for server in servers if isinstance(server.engine, ScriptedEngine)]
    for gate in gates:
        gate.clear()
    held = [engine.generate(ask(department="hr")) for _ in range(6)]
    begun = [asyncio.create_task(anext(pieces)) for pieces in held]
    async with asyncio.timeout(10):
        while sum(len(asked(server)) for server in servers) < 6:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.01)
    assert [len(asked(server)) for server in servers] == [3, 3]
    for gate in gates:
        gate.set()
    await asyncio.gather(*begun)
    for pieces in held:
        await pieces.aclose()


@pytest.mark.parametrize("fault", ["status 503", "drop", "hang", "status 429", "error event"])
async def test_another_server_answers_where_one_cannot(
    serve: Serve, start: Start, adapter: AdapterRef, fault: Fault
) -> None:
    servers = [await serve(), await serve()]
    engine = await start(*servers)
    servers[0].faults.append(fault)
    for department in DEPARTMENTS:
        assert await answer(engine, ask(adapter, department)) == "All is well."
    assert not servers[0].faults
    assert sum(len(asked(server)) for server in servers) == len(DEPARTMENTS) + 1


async def test_servers_that_are_all_full_are_busy(serve: Serve, start: Start) -> None:
    servers = [await serve(), await serve()]
    engine = await start(*servers)
    for server in servers:
        server.faults += ["status 429"] * 3
    with pytest.raises(BusyError) as busy:
        await answer(engine, ask())
    assert busy.value.retry_after == 7


async def test_a_dead_server_costs_nothing_once_it_is_left_alone_and_is_used_again_when_it_is_back(
    serve: Serve, start: Start, adapter: AdapterRef
) -> None:
    dead, alive = await serve(), await serve()
    engine = await start(dead, alive)
    await dead.stop()
    for department in DEPARTMENTS:
        assert await answer(engine, ask(adapter, department)) == "All is well."
    gone, _ = engine._servers
    assert gone.breaker.is_open
    dead.restart()
    await dead.start()
    gone.breaker._open_until = 0
    for department in DEPARTMENTS:
        assert await answer(engine, ask(adapter, department)) == "All is well."
    assert asked(dead)
    assert loads(dead)


async def test_one_server_is_enough_to_start_and_none_is_named(serve: Serve, start: Start) -> None:
    alive, dead = await serve(), await serve()
    await dead.stop()
    assert await answer(await start(dead, alive), ask()) == "All is well."
    await alive.stop()
    with pytest.raises(EngineError, match=dead.url):
        await start(dead, alive)
