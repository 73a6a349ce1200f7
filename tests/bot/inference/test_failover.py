"""The engine that stands by: it answers while the servers cannot, and the answer says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.config.settings import Settings
from bot.domain.answers import Done
from bot.domain.errors import ArtifactError, BusyError, EngineError
from bot.domain.generation import AdapterRef, EngineInfo, GenerationRequest
from bot.domain.people import Person
from bot.domain.questions import ChatMessage, Question
from bot.inference.failover import FailoverEngine, served
from bot.inference.openai.engine import OpenAIEngine
from bot.inference.selection import open_engine
from bot.testing.engines import ScriptedEngine
from bot.testing.fake_model_server import FakeModelServer
from bot.testing.notes import make_plugin
from bot.testing.tiny import build_tiny_adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.answers import Provenance
    from bot.domain.ports import Engine
    from bot.testing import MakeHome

MODEL = "tiny-chat"
ADA = Person("user:ada", "Ada")


class Standby(ScriptedEngine):
    """A scripted engine that says which model it serves."""

    base_model = "small"

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("local", self.base_model, "cpu", "float32", 1000)


def ask(adapter: AdapterRef | None = None) -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", "What now?"),), adapter=adapter)


async def answer(engine: FailoverEngine, request: GenerationRequest) -> str:
    return "".join([piece async for piece in engine.generate(request)])


@pytest.fixture
async def server() -> AsyncIterator[FakeModelServer]:
    server = FakeModelServer(ScriptedEngine("From the server."), MODEL)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def standby() -> Standby:
    return Standby("From the standby.")


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
async def engine(server: FakeModelServer, standby: Standby, now: list[float]) -> AsyncIterator[FailoverEngine]:
    engine = FailoverEngine(OpenAIEngine(server.url, MODEL), standby, clock=lambda: now[0])
    yield engine
    await engine.stop()


async def test_the_standby_is_not_even_loaded_while_the_server_answers(
    engine: FailoverEngine, standby: Standby
) -> None:
    await engine.start()
    request = ask()
    pieces = engine.generate(request)
    assert "".join([piece async for piece in pieces]) == "From the server."
    assert not standby.started
    who = served(engine, request, pieces)
    assert (who.info.kind, who.reason) == ("openai", "")


async def test_it_answers_while_the_server_fails_and_says_why(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby
) -> None:
    await engine.start()
    server.faults += ["status 503"] * 3
    request = ask()
    pieces = engine.generate(request)
    assert "".join([piece async for piece in pieces]) == "From the standby."
    who = served(engine, request, pieces)
    assert who.info.base_model == "small"
    assert "status 503" in who.reason
    assert await answer(engine, request) == "From the server."
    assert len(standby.requests) == 1


async def test_it_answers_at_once_while_the_server_is_left_alone(
    engine: FailoverEngine, server: FakeModelServer
) -> None:
    await engine.start()
    server.faults += ["drop"] * 20
    for _ in range(2):
        assert await answer(engine, ask()) == "From the standby."
    before = len(server.calls)
    assert await answer(engine, ask()) == "From the standby."
    assert len(server.calls) == before


async def test_a_server_that_is_absent_at_the_start_is_used_when_it_comes(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby, now: list[float]
) -> None:
    await server.stop()
    await engine.start()
    assert standby.started
    assert await answer(engine, ask()) == "From the standby."
    await server.start()
    assert await answer(engine, ask()) == "From the standby."
    now[0] = 60
    assert await answer(engine, ask()) == "From the server."


async def test_an_answer_that_has_begun_is_never_begun_again(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby
) -> None:
    await engine.start()
    server.faults.append("drop in mid-answer")
    with pytest.raises(EngineError, match="broke off mid-answer"):
        await answer(engine, ask())
    assert not standby.requests


async def test_what_is_not_the_servers_fault_stays_an_error(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby, tmp_path: Path
) -> None:
    await engine.start()
    server.faults.append("status 429")
    with pytest.raises(BusyError):
        await answer(engine, ask())
    with pytest.raises(ArtifactError):
        await answer(engine, ask(AdapterRef("gone", tmp_path / "gone", MODEL)))
    server.faults.append("status 401")
    with pytest.raises(EngineError, match="rejected the API key"):
        await answer(engine, ask())
    assert not standby.requests


async def test_an_adapter_stays_only_where_its_base_model_is(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby, tiny_model: Path, tmp_path: Path
) -> None:
    await engine.start()
    await server.stop()
    ref = build_tiny_adapter(tmp_path / "support-1", tiny_model, "hello")
    await answer(engine, ask(ref))
    standby.base_model = MODEL
    await answer(engine, ask(ref))
    assert [request.adapter for request in standby.requests] == [None, ref]


async def test_closing_the_answer_cancels_the_standbys_work(
    engine: FailoverEngine, server: FakeModelServer, standby: Standby
) -> None:
    await engine.start()
    await server.stop()
    pieces = engine.generate(ask())
    await anext(pieces)
    await pieces.aclose()
    assert (standby.cancelled, standby.running) == (1, 0)


async def test_the_answers_provenance_names_the_model_that_wrote_it(
    server: FakeModelServer, standby: Standby, make_mentee: Callable[..., Mentee]
) -> None:
    mentee = make_mentee()
    assert isinstance(server.engine, ScriptedEngine)
    server.engine.answer = standby.answer = "Hotels are tax exempt in 12 states [1]."

    async def provenance() -> Provenance:
        audience = mentee.departments.audience_of(ADA)
        question = Question("Are hotels tax exempt?", ADA, audience=audience, department="travel")
        *_, done = [event async for event in mentee.pipeline.answer(question)]
        assert isinstance(done, Done)
        return done.answer.provenance

    usual = await provenance()
    assert (usual.base_model, usual.engine, usual.standby) == ("tiny-chat", "openai", "")
    await server.stop()
    stood_in = await provenance()
    assert stood_in.base_model == "small"
    assert server.url in stood_in.standby
    await mentee.pipeline.stop()


async def test_a_plugins_engine_answers_instead(make_home: MakeHome) -> None:
    engine = ScriptedEngine("From the plugin.")
    plugin = make_plugin(register_engine=lambda: engine)
    mentee = make_home(departments=["it"], built_in=(), extra_plugins={"mine": plugin})
    assert mentee.engine is engine


def test_the_setting_names_a_fetched_model(tiny_model: Path, tmp_path: Path) -> None:
    def opened(standby: str) -> Engine:
        model = {"engine": "openai", "name": "big", "server_url": "http://127.0.0.1:1", "standby": standby}
        return open_engine(Settings(home=tmp_path, models_dir=tiny_model.parent, model=model))

    assert isinstance(opened(""), OpenAIEngine)
    assert isinstance(opened(tiny_model.name), FailoverEngine)
    with pytest.raises(ArtifactError, match="absent-model"):
        opened("absent-model")
