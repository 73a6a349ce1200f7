"""Hooks that are declared with ``async def``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.domain.answers import Answer, Exchange, RecordedQuestion
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.plugins.actions import Action, ActionResult, OfferedAction
from bot.domain.questions import Question
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Protocol

    from bot.app import Mentee

    class MakeMentee(Protocol):
        def __call__(self, plugins: dict[str, object] | None = None, **more: object) -> Mentee: ...


ASKED = Question("?", Person("user:ada"), department="it")


async def be_brief() -> str:
    await asyncio.sleep(0)
    return "Be brief."


def test_an_async_hook_is_awaited(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"quick": make_plugin(extend_prompt=be_brief)})
    assert mentee.plugins.extend_prompt(ASKED, "it") == ["Be brief."]


def test_an_async_hook_is_cancelled_at_its_time_limit(make_mentee: MakeMentee) -> None:
    cancelled = []

    async def hang() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    mentee = make_mentee({"slow": make_plugin(extend_prompt=hang)}, settings={"limits": {"plugin_seconds": 0.3}})
    assert mentee.plugins.extend_prompt(ASKED, "it") == []
    (failure,) = mentee.plugins.failures("slow")
    assert "no result" in failure.text or "cancelled" in failure.text
    mentee.plugins.extend_prompt(ASKED, "it")
    assert cancelled


def test_a_coroutine_or_an_async_generator_from_a_plain_function_is_a_failure(make_mentee: MakeMentee) -> None:
    def forgotten() -> Coroutine[object, object, str]:
        return be_brief()

    async def generated() -> AsyncIterator[str]:
        yield "Be brief."

    plugins = {"forgot": make_plugin(on_event=forgotten), "generates": make_plugin(on_event=generated)}
    mentee = make_mentee(dict(plugins))
    mentee.plugins.on_event(object(), "it")
    assert "`async def`" in mentee.plugins.failures("forgot")[0].text
    assert "async generator" in mentee.plugins.failures("generates")[0].text


def test_an_async_hook_may_cause_another_call_of_its_plugin(make_mentee: MakeMentee) -> None:
    made: list[Mentee] = []
    heard: list[object] = []

    async def publish() -> str:
        made[0].plugins.on_event("hello", "it")
        return await be_brief()

    async def hear(event: object) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    made.append(make_mentee({"talks": make_plugin(extend_prompt=publish, on_event=hear)}))
    assert made[0].plugins.extend_prompt(ASKED, "it") == ["Be brief."]
    assert heard == ["hello"]


def test_an_async_action_is_awaited(make_mentee: MakeMentee) -> None:
    async def act() -> ActionResult:
        await asyncio.sleep(0)
        return ActionResult("Done.")

    mentee = make_mentee({"tickets": make_plugin(on_action=act)})
    answer = Answer("q1", "Open a ticket?", True, "it")
    asked = RecordedQuestion("q1", "?", "user:ada", "it", "cli", "", "", (), (), now())
    offered = OfferedAction("tickets", Action("open", "Open a ticket"))
    exchange = Exchange(asked, answer)
    assert mentee.plugins.on_action(offered, Person("user:ada"), exchange, lambda _late: None).text == "Done."
