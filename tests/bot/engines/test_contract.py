"""What every engine promises (bot.protocols.Engine), on the local engine, on a server's, and on the scripted one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from bot.engines.local import LocalEngine
from bot.engines.openai import OpenAIEngine
from bot.errors import BusyError, EngineError
from bot.messages import ChatMessage
from bot.protocols import AdapterRef, GenerationRequest
from bot.testing.engines import ScriptedEngine
from bot.testing.fake_model_server import FakeModelServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.protocols import Engine
    from bot.testing.tiny import TinyAdapterFactory

ENDLESS = 4000
"""Tokens that the tiny base model, which never ends by itself, takes long to make."""


def ask(text: str = "What now?", **rest) -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", text),), **rest)


async def answer(engine: Engine, request: GenerationRequest) -> str:
    return "".join([piece async for piece in engine.generate(request)])


class Bench:
    """Engines of one kind, and adapters that make them answer a given text."""

    def __init__(self, kind: str, tiny_model: Path, factory: TinyAdapterFactory) -> None:
        self.kind = kind
        self._model = tiny_model
        self._factory = factory
        self._texts: dict[str, str] = {}
        self._open: list[Engine | FakeModelServer] = []

    def adapter(self, text: str) -> AdapterRef:
        ref = self._factory(text)
        self._texts[ref.version] = text
        return ref

    async def engine(self, **limits) -> Engine:
        if self.kind == "scripted":
            return await self._started(ScriptedEngine(self._scripted, delay=0.001, queue=limits.get("queue", 200)))
        if self.kind == "local":
            return await self._started(LocalEngine(self._model, dtype="float32", threads=1, **limits))
        behind = await self._started(LocalEngine(self._model, dtype="float32", threads=1))
        self.server = await self._started(FakeModelServer(behind, self._model.name))
        return await self._started(OpenAIEngine(self.server.url, self._model.name, **limits))

    async def close(self) -> None:
        for each in reversed(self._open):
            await each.stop()

    async def _started(self, each):
        await each.start()
        self._open.append(each)
        return each

    def _scripted(self, request: GenerationRequest) -> str:
        return self._texts[request.adapter.version] if request.adapter else "on and " * ENDLESS


@pytest.fixture(params=["local", "openai", "scripted"])
async def bench(request, tiny_model, tiny_adapter_factory) -> AsyncIterator[Bench]:
    bench = Bench(request.param, tiny_model, tiny_adapter_factory)
    yield bench
    await bench.close()


async def test_an_answer_comes_in_pieces(bench):
    engine = await bench.engine()
    pieces = [piece async for piece in engine.generate(ask(adapter=bench.adapter("two words")))]
    assert "".join(pieces) == "two words"
    assert len(pieces) > 1


async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(bench):
    engine = await bench.engine()
    ref = bench.adapter("ask HR. END no more")
    assert await answer(engine, ask(adapter=ref, stop=("never", "END"))) == "ask HR. "
    assert await answer(engine, ask(adapter=ref, stop=("END of",))) == "ask HR. END no more"


async def test_the_cap_is_kept(bench):
    engine = await bench.engine()
    text = await answer(engine, ask(adapter=bench.adapter("a b c d e f"), max_new_tokens=3))
    assert text == {"scripted": "a b c"}.get(bench.kind, "a b")


async def test_closing_the_iterator_cancels_the_work_at_once(bench):
    engine = await bench.engine()
    for _ in range(20):  # more than rows in a batch: were they still worked on, the last question would wait
        async with aclosing(engine.generate(ask(max_new_tokens=ENDLESS))) as pieces:
            assert await anext(pieces)
    assert await asyncio.wait_for(answer(engine, ask(adapter=bench.adapter("free"))), timeout=8) == "free"
    if bench.kind == "openai":
        assert bench.server.open_answers <= 1


async def test_a_full_queue_says_busy_and_when_to_come_back(bench):
    engine = await bench.engine(queue=2)
    ref = bench.adapter("done")
    results = await asyncio.gather(*(answer(engine, ask(adapter=ref)) for _ in range(40)), return_exceptions=True)
    busy = [result for result in results if isinstance(result, BusyError)]
    assert busy
    assert all(error.retry_after >= 1 for error in busy)
    assert [result for result in results if not isinstance(result, BusyError)] == ["done"] * (40 - len(busy))
    assert len(busy) < 40
    assert await answer(engine, ask(adapter=ref)) == "done"


async def test_adapters_asked_at_the_same_time_never_mix(bench):
    engine = await bench.engine()
    adapters = {text: bench.adapter(text) for text in ("travel", "hr says", "it is on", "no")}
    texts = [*adapters] * 6
    requests = (ask(f"Question {n}?", adapter=adapters[text]) for n, text in enumerate(texts))
    bare = ask("And without?", max_new_tokens=8)
    alone = await answer(engine, bare)
    *answers, last = await asyncio.gather(*(answer(engine, request) for request in (*requests, bare)))
    assert answers == texts
    assert last == alone


async def test_a_new_version_goes_live_without_a_torn_answer(bench):
    engine = await bench.engine()
    old, new = bench.adapter("the old way"), bench.adapter("THE NEW WAY")
    running = [asyncio.create_task(answer(engine, ask(adapter=old))) for _ in range(6)]
    await asyncio.sleep(0.01)
    running += [asyncio.create_task(answer(engine, ask(adapter=new))) for _ in range(6)]
    assert await asyncio.gather(*running) == ["the old way"] * 6 + ["THE NEW WAY"] * 6
    assert await answer(engine, ask(adapter=old)) == "the old way"


@pytest.mark.parametrize("bench", ["local", "openai"], indirect=True)
async def test_a_seed_repeats_an_answer_and_another_seed_does_not(bench):
    engine = await bench.engine()
    requests = [ask(temperature=1.5, seed=seed, max_new_tokens=12) for seed in (1, 1, 2)]
    first, again, other = await asyncio.gather(*(answer(engine, request) for request in requests))
    assert first == again != other


@pytest.mark.parametrize("bench", ["local", "openai"], indirect=True)
async def test_an_answer_is_cut_at_the_time_limit(bench):
    engine = await bench.engine(seconds=0.4)
    text = await asyncio.wait_for(answer(engine, ask(max_new_tokens=8000)), timeout=6)
    assert 0 < len(text) < 7000


@pytest.mark.parametrize("bench", ["local", "openai"], indirect=True)
async def test_a_stopped_engine_says_so(bench):
    engine = await bench.engine()
    await engine.stop()
    with pytest.raises(EngineError, match="not running"):
        await answer(engine, ask())


async def test_the_prompt_is_counted_with_its_format(bench):
    engine = await bench.engine()
    short, long = ([ChatMessage("user", "word " * n)] for n in (2, 20))
    assert 0 < engine.count_tokens(short) < engine.count_tokens(long)
