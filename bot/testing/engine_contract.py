"""The tests that every engine (:class:`bot.domain.ports.Engine`) must pass.

Implement :class:`EngineBench`, which opens your engine and makes adapters for it, return one from the fixture
``bench``, and inherit the tests::

    class TestMyEngine(ModelContract):
        @pytest.fixture
        async def bench(self, tmp_path):
            bench = MyBench(tmp_path)
            yield bench
            await bench.close()

Every engine must stream its answer in pieces, end it at a stop text and at ``max_new_tokens``, end its work when the
iterator is closed, and count tokens. :class:`EngineContract` tests this, and two things that a bench can declare
missing: adapters (``has_adapters = False``) and a limited queue (``has_queue = False``). Tests of what is missing are
skipped. :class:`ModelContract` is for engines with a model and adapters: it adds seeds, time limits, and errors for
prompts and adapters that can't be used.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from bot.domain.errors import ArtifactError, BusyError, EngineError
from bot.domain.generation import AdapterRef, GenerationRequest
from bot.domain.questions import ChatMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bot.domain.ports import Engine

ENDLESS = 4000
"""Tokens of an answer that takes long."""

CROWD = 24
"""Number of concurrent questions."""

PATIENCE = 20.0
"""Seconds to wait for what should happen soon, on a busy machine."""

T = TypeVar("T")


class EngineBench(ABC):
    """Opens engines of one kind, and makes adapters that answer with a given text.

    :ivar has_adapters: whether the engine answers with adapters. If not, override :meth:`saying` and :meth:`endless`.
    :ivar has_queue: whether the engine refuses questions over its limit with :class:`bot.domain.errors.BusyError`.
    :ivar adapters: number of adapters used concurrently; must be more than the engine keeps loaded.
    :ivar questions: number of questions in the test of interleaved adapters.
    """

    has_adapters = True
    has_queue = True
    adapters = 20
    questions = 240

    @abstractmethod
    async def engine(self, *, queue: int = 200, seconds: float = 60.0) -> Engine:
        """Return a started engine that accepts ``queue`` concurrent questions and cuts answers after ``seconds``."""

    def adapter(self, text: str) -> AdapterRef:
        """Return a new adapter that answers everything with ``text``."""
        raise NotImplementedError(f"{type(self).__name__} must define adapter(), or has_adapters = False and saying().")

    def saying(self, text: str, **rest: Any) -> GenerationRequest:
        """Return a request that the engine answers with ``text``; by default one with an :meth:`adapter` for it."""
        return ask(adapter=self.adapter(text), **rest)

    def bare(self) -> AdapterRef | None:
        """Return the adapter with which answers never end; ``None`` if they don't without an adapter."""
        return None

    def endless(self, text: str = "What now?", **rest: Any) -> GenerationRequest:
        """Return a request whose answer never ends by itself."""
        return ask(text, adapter=self.bare(), **{"max_new_tokens": ENDLESS, **rest})

    @abstractmethod
    async def close(self) -> None:
        """Stop every engine that was opened."""

    def cut(self, text: str, tokens: int) -> str:
        """Return the first tokens of ``text``; by default a token is a character."""
        return text[:tokens]

    def under_way(self) -> int:
        """Return the number of answers still being generated, if the engine can tell."""
        return 0


def ask(text: str = "What now?", **rest: Any) -> GenerationRequest:
    """Return a request of one message."""
    return GenerationRequest((ChatMessage("user", text),), **rest)


async def answer(engine: Engine, request: GenerationRequest) -> str:
    """Return a whole answer."""
    return "".join([piece async for piece in engine.generate(request)])


async def in_crowds(make: Callable[[int], Awaitable[T]], count: int) -> list[T]:
    """Await ``make(0)`` … ``make(count - 1)``, up to :data:`CROWD` at a time; return the results in order."""
    places = asyncio.Semaphore(CROWD)

    async def one(n: int) -> T:
        async with places:
            return await make(n)

    return list(await asyncio.gather(*(one(n) for n in range(count))))


def names(count: int) -> Iterable[str]:
    """Return ``count`` different short texts, none with a letter too often for the tiny model."""
    return islice((f"{a}{b} says {b}{a}" for a in "bcdfgh" for b in "klmnpr"), count)


class EngineContract:
    """Streaming, stopping, cancelling, queueing, and adapters that never mix."""

    async def test_an_answer_comes_in_pieces(self, bench: EngineBench) -> None:
        """Readers see words before the answer is complete."""
        engine = await bench.engine()
        pieces = [piece async for piece in engine.generate(bench.saying("two words"))]
        assert "".join(pieces) == "two words"
        assert len(pieces) > 1
        assert all(pieces)

    async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(self, bench: EngineBench) -> None:
        """Even if it comes in several pieces. Text that only starts like a stop text is shown."""
        engine = await bench.engine()
        text = "ask HR. END no more"
        assert await answer(engine, bench.saying(text, stop=("never", "END"))) == "ask HR. "
        assert await answer(engine, bench.saying(text, stop=("END of",))) == text
        many = ("one", "two", "three", "four", "five", "HR. E")
        assert await answer(engine, bench.saying(text, stop=many)) == "ask "

    async def test_the_cap_is_kept(self, bench: EngineBench) -> None:
        """No more than ``max_new_tokens`` are generated."""
        engine = await bench.engine()
        text = await answer(engine, bench.saying("a b c d e f", max_new_tokens=3))
        assert text == bench.cut("a b c d e f", 3)

    async def test_closing_the_iterator_cancels_the_work_at_once(self, bench: EngineBench) -> None:
        """More answers are abandoned than an engine runs at once: if they went on, the last one would have to wait."""
        engine = await bench.engine()
        for _ in range(20):
            async with aclosing(engine.generate(bench.endless())) as pieces:
                assert await anext(pieces)
        free = answer(engine, bench.saying("free"))
        assert await asyncio.wait_for(free, PATIENCE) == "free"
        await soon(lambda: bench.under_way() == 0)

    async def test_who_leaves_before_the_first_piece_takes_no_place(self, bench: EngineBench) -> None:
        """Cancelled tasks free their places in the queue."""
        engine = await bench.engine(queue=4)
        for _ in range(3):
            asking = [asyncio.create_task(answer(engine, bench.endless())) for _ in range(4)]
            await asyncio.sleep(0)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        room = bench.saying("room")
        assert await asyncio.wait_for(_patiently(engine, room), PATIENCE) == "room"
        await soon(lambda: bench.under_way() == 0)

    async def test_a_full_queue_says_busy_and_when_to_come_back(self, bench: EngineBench) -> None:
        """Accepted questions are answered; the others fail immediately."""
        _needs("a limited queue", has=bench.has_queue)
        engine = await bench.engine(queue=2)
        done = bench.saying("done")
        results = await asyncio.gather(*(answer(engine, done) for _ in range(40)), return_exceptions=True)
        busy = [result for result in results if isinstance(result, BusyError)]
        assert 0 < len(busy) < len(results)
        assert all(error.retry_after >= 1 for error in busy)
        assert [result for result in results if result not in busy] == ["done"] * (40 - len(busy))
        assert await answer(engine, done) == "done"

    async def test_adapters_under_load_never_mix(self, bench: EngineBench) -> None:
        """Each of hundreds of interleaved answers comes from its own adapter, or from the base model alone."""
        _needs("adapters", has=bench.has_adapters)
        engine = await bench.engine()
        adapters = {text: bench.adapter(text) for text in names(6)}
        bare = bench.endless("And without?", max_new_tokens=8)
        alone = await answer(engine, bare)
        expected = [[*adapters, alone][n % 7] for n in range(bench.questions)]

        async def one(n: int) -> str:
            ref = adapters.get(expected[n])
            return await answer(engine, ask(f"Question {n}?", adapter=ref) if ref else bare)

        assert await in_crowds(one, bench.questions) == expected

    async def test_more_adapters_than_are_kept_take_turns(self, bench: EngineBench) -> None:
        """An adapter that is evicted while in use completes its answer, and is loaded again when needed."""
        _needs("adapters", has=bench.has_adapters)
        engine = await bench.engine()
        texts = list(names(bench.adapters))
        refs = [bench.adapter(text) for text in texts]
        held = engine.generate(ask(adapter=refs[0]))
        begun = await anext(held)
        results = await in_crowds(lambda n: answer(engine, ask(adapter=refs[n % len(refs)])), 3 * len(refs))
        assert results == texts * 3
        assert begun + "".join([piece async for piece in held]) == texts[0]

    async def test_versions_change_under_load_without_a_lost_or_torn_answer(self, bench: EngineBench) -> None:
        """An answer comes entirely from the version it was asked with, whatever goes live meanwhile."""
        _needs("adapters", has=bench.has_adapters)
        engine = await bench.engine()
        texts = [f"version {letter} it is" for letter in "abcdefgh"]
        refs = [bench.adapter(text) for text in texts]
        step = bench.questions // 2 // len(refs)

        async def one(n: int) -> tuple[str, str]:
            live = min(n // step, len(refs) - 1)  # the questions before it are still being answered with older ones
            return await answer(engine, ask(adapter=refs[live])), texts[live]

        for found, expected in await in_crowds(one, step * len(refs)):
            assert found == expected
        assert await answer(engine, ask(adapter=refs[0])) == texts[0]

    async def test_the_prompt_is_counted_with_its_format(self, bench: EngineBench) -> None:
        """More words are more tokens."""
        engine = await bench.engine()
        short, long = ([ChatMessage("user", "word " * n)] for n in (2, 20))
        assert 0 < engine.count_tokens(short) < engine.count_tokens(long)
        assert engine.info.context_tokens > 0


class ModelContract(EngineContract):
    """Adds tests for engines that generate with a model and LoRA adapters."""

    async def test_a_seed_repeats_an_answer_and_another_seed_does_not(self, bench: EngineBench) -> None:
        """Sampling depends only on the request."""
        engine = await bench.engine()
        requests = [bench.endless(temperature=1.5, seed=seed, max_new_tokens=12) for seed in (1, 1, 2)]
        first, again, other = await asyncio.gather(*(answer(engine, request) for request in requests))
        assert first == again != other
        assert await answer(engine, requests[0]) == first

    async def test_an_answer_is_cut_at_the_time_limit(self, bench: EngineBench) -> None:
        """The text until then is kept."""
        await answer(await bench.engine(), bench.endless(max_new_tokens=1))  # what a server loads at first is loaded
        engine = await bench.engine(seconds=0.6)
        text = await asyncio.wait_for(answer(engine, bench.endless(max_new_tokens=8000)), PATIENCE)
        assert 0 < len(text) < 7000
        await soon(lambda: bench.under_way() == 0)

    async def test_a_prompt_that_is_too_long_is_refused_with_both_lengths(self, bench: EngineBench) -> None:
        """The error names both; other questions are answered."""
        engine = await bench.engine()
        room = engine.info.context_tokens
        with pytest.raises(EngineError, match=rf"{room}") as refused:
            await answer(engine, ask("long " * room))
        assert refused.value.hint
        assert await answer(engine, ask(adapter=bench.adapter("short"))) == "short"

    async def test_an_adapter_that_is_gone_is_named(self, bench: EngineBench) -> None:
        """The error names its folder."""
        engine = await bench.engine()
        ref = bench.adapter("here")
        gone = replace(ref, version="gone", path=ref.path.with_name("gone"))
        with pytest.raises(ArtifactError, match="gone"):
            await answer(engine, ask(adapter=gone))

    async def test_an_adapter_for_another_base_model_is_refused(self, bench: EngineBench) -> None:
        """The error names both models."""
        engine = await bench.engine()
        ref = replace(bench.adapter("here"), version="foreign", base_model="another-model")
        with pytest.raises(ArtifactError, match=rf"another-model.*{engine.info.base_model}"):
            await answer(engine, ask(adapter=ref))

    async def test_a_refused_adapter_harms_nobody_else(self, bench: EngineBench) -> None:
        """Questions asked at the same time are answered."""
        engine = await bench.engine()
        ref = bench.adapter("all is well")
        broken = replace(bench.adapter("never"), version="broken")
        (broken.path / "adapter_model.safetensors").write_bytes(b"broken")
        asked = [answer(engine, ask(adapter=broken if n % 3 == 0 else ref)) for n in range(18)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        for n, result in enumerate(results):
            assert isinstance(result, ArtifactError) if n % 3 == 0 else result == "all is well"

    async def test_a_stopped_engine_says_so(self, bench: EngineBench) -> None:
        """Nobody waits for a stopped engine."""
        engine = await bench.engine()
        await engine.stop()
        with pytest.raises(EngineError, match="not running"):
            await answer(engine, ask())


def _needs(what: str, *, has: bool) -> None:
    if not has:
        pytest.skip(f"The bench declares that its engine lacks {what}.")


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, or fail after :data:`PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a condition of another's making has no event
            await asyncio.sleep(0.01)


async def _patiently(engine: Engine, request: GenerationRequest) -> str:
    while True:
        try:
            return await answer(engine, request)
        except BusyError:
            await asyncio.sleep(0.02)


class TinyBench(EngineBench):
    """Opens engines on a tiny model (:mod:`bot.testing.tiny`), whose adapters are made in code.

    :param open_engine: takes ``queue`` and ``seconds``; returns an engine that hasn't been started.
    :param make_adapter: the fixture ``tiny_adapter_factory``, or another of the same kind.
    """

    def __init__(self, open_engine: Callable[..., Engine], make_adapter: Callable[[str], AdapterRef]) -> None:
        self.opened: list[Engine] = []
        self._open_engine = open_engine
        self._make_adapter = make_adapter

    async def engine(self, *, queue: int = 200, seconds: float = 60.0) -> Engine:
        """Open an engine and start it."""
        engine = self._open_engine(queue=queue, seconds=seconds)
        await engine.start()
        self.opened.append(engine)
        return engine

    def adapter(self, text: str) -> AdapterRef:
        """Make an adapter."""
        return self._make_adapter(text)

    async def close(self) -> None:
        """Stop the engines."""
        for engine in self.opened:
            await engine.stop()
