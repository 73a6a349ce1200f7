"""The contract of engines finds the engine that breaks it: each sin below fails the test that is there for it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.generation import AdapterRef
from bot.testing import engine_contract
from bot.testing.engine_contract import ENDLESS, EngineBench, EngineContract, TinyBench
from bot.testing.engines import ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bot.domain.generation import GenerationRequest
    from bot.domain.ports import Engine


class Sinner(ScriptedEngine):
    """Does something that no engine may do."""


class OnePiece(Sinner):
    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        yield "".join([piece async for piece in super().generate(request)])


class Unstoppable(Sinner):
    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        async for piece in super().generate(_changed(request, stop=())):
            yield piece


class Uncapped(Sinner):
    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        async for piece in super().generate(_changed(request, max_new_tokens=ENDLESS)):
            yield piece


class Unbounded(Sinner):
    def __init__(self, *args: Any, queue: int, **rest: Any) -> None:
        super().__init__(*args, queue=queue + 1000, **rest)


class Deaf(Sinner):
    """Goes on although nobody listens."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        pieces = super().generate(request)
        KEPT.append(pieces)
        async for piece in pieces:
            yield piece


class Forgetful(Sinner):
    """Loses an answer in a hundred."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        if len(self.requests) % 100 == 99:
            self.requests.append(request)
            return
        async for piece in super().generate(request):
            yield piece


class Shared(Sinner):
    """Keeps the adapter in one place, as ``set_adapter`` does: who comes later changes it for those under way."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        self.running += 1
        self.current = request
        try:
            for n in count():
                await self.gate.wait()
                pieces = [piece async for piece in ScriptedEngine(self.answer, delay=0.0001).generate(self.current)]
                if n >= len(pieces):
                    return
                yield pieces[n]
        finally:
            self.running -= 1


KEPT: list[AsyncGenerator[str, None]] = []


def _changed(request: GenerationRequest, **values: Any) -> GenerationRequest:
    from dataclasses import replace

    return replace(request, **values)


class SinnersBench(TinyBench):
    def __init__(self, kind: type[ScriptedEngine], folder: Path) -> None:
        super().__init__(self._open, self._make)
        self._kind, self._folder = kind, folder
        self._texts: dict[str, str] = {}

    def cut(self, text: str, tokens: int) -> str:
        return " ".join(text.split()[:tokens])

    def under_way(self) -> int:
        return sum(engine.running for engine in self.opened if isinstance(engine, ScriptedEngine))

    def _open(self, *, queue: int, seconds: float) -> ScriptedEngine:  # noqa: ARG002 - it knows no time limit
        return self._kind(self._text, delay=0.0001, queue=queue)

    def _make(self, text: str) -> AdapterRef:
        ref = AdapterRef(f"adapter-{len(self._texts)}", self._folder, "scripted")
        self._texts[ref.version] = text
        return ref

    def _text(self, request: GenerationRequest) -> str:
        return self._texts[request.adapter.version] if request.adapter else "on and " * ENDLESS


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (OnePiece, "test_an_answer_comes_in_pieces"),
        (Unstoppable, "test_a_stop_text_ends_the_answer_and_is_not_part_of_it"),
        (Uncapped, "test_the_cap_is_kept"),
        (Deaf, "test_closing_the_iterator_cancels_the_work_at_once"),
        (Unbounded, "test_a_full_queue_says_busy_and_when_to_come_back"),
        (Shared, "test_adapters_under_load_never_mix"),
        (Forgetful, "test_adapters_under_load_never_mix"),
        (Shared, "test_versions_change_under_load_without_a_lost_or_torn_answer"),
        (Forgetful, "test_versions_change_under_load_without_a_lost_or_torn_answer"),
        (Shared, "test_more_adapters_than_are_kept_take_turns"),
    ],
)
async def test_a_sin_is_found(
    kind: type[ScriptedEngine], test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await getattr(EngineContract(), test)(SinnersBench(ScriptedEngine, tmp_path))
    monkeypatch.setattr(engine_contract, "PATIENCE", 1.0)
    with pytest.raises((AssertionError, TimeoutError)):
        await getattr(EngineContract(), test)(SinnersBench(kind, tmp_path))
    while KEPT:
        await KEPT.pop().aclose()


def test_a_bench_without_adapters_or_a_declaration_is_told_what_to_define() -> None:
    class Unfinished(EngineBench):
        async def engine(self, *, queue: int = 200, seconds: float = 60.0) -> Engine:
            raise NotImplementedError

        async def close(self) -> None:
            """Nothing to stop."""

    with pytest.raises(NotImplementedError, match=r"Unfinished must define adapter\(\)"):
        Unfinished().saying("a word")
