"""`context.model`: completions in hooks of every kind, within limits, and what becomes of their text."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot import BusyError, ChatMessage, DirectAnswer, EngineError, Job, Person, PluginContext, Question, hookimpl
from bot.cli.commands.ask import answer_json
from bot.domain.answers import Answer, Done
from bot.domain.errors import MenteeError, SettingsError, TooLargeError
from bot.observability.metrics import REGISTRY
from bot.testing import WAIT_SECONDS, run_job
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.testing.homes import MakeHome, Mentee

SUMMARY = "Three tickets are open."
QUESTION = Question("Summarise the tickets", Person("user:ada"), department="it")


CONTEXTS: list[PluginContext] = []


def on_event(context: PluginContext) -> None:
    CONTEXTS.append(context)


ASKS = make_plugin(on_event=on_event)


class Summaries:
    """Lets the model summarise: in a thread or in an `async def`, in a hook or in a job."""

    def __init__(self, **limits: Any) -> None:
        self.limits = limits
        self.asynchronous = False
        self.texts: list[str] = []

    @hookimpl
    async def answer_directly(self, context: PluginContext) -> DirectAnswer:
        ask: Callable[..., str] = context.model.complete
        if self.asynchronous:
            return DirectAnswer(await context.model.acomplete("Summarise: printer, laptop, mouse", **self.limits))
        return DirectAnswer(await asyncio.to_thread(ask, "Summarise: printer, laptop, mouse", **self.limits))

    @hookimpl
    def register_jobs(self, context: PluginContext) -> Sequence[Job]:
        def in_a_thread() -> None:
            self.texts.append(context.of("it").model.complete("Summarise", **self.limits))

        async def in_a_loop() -> None:
            self.texts.append(await context.model.acomplete("Summarise", **self.limits))

        return [Job("thread", timedelta(days=1), in_a_thread), Job("loop", timedelta(days=1), in_a_loop)]


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(SUMMARY)


@pytest.fixture
def plugin() -> Summaries:
    return Summaries()


@pytest.fixture
def mentee(make_home: MakeHome, engine: ScriptedEngine, plugin: Summaries) -> Mentee:
    return make_home(
        departments=["it"],
        engine=engine,
        built_in=("retrieval.plugin", "plugins.guards.secrets"),
        extra_plugins={"summaries": plugin, "asks": ASKS},
    )


def context_of(mentee: Mentee) -> PluginContext:
    mentee.publish(object(), "it")
    assert CONTEXTS
    return CONTEXTS[-1]


async def answer(mentee: Mentee) -> Answer:
    events = [event async for event in mentee.answer(QUESTION)]
    assert isinstance(events[-1], Done)
    return events[-1].answer


def count(outcome: str) -> float:
    labels = {"plugin": "asks", "outcome": outcome}
    return REGISTRY.get_sample_value("mentee_plugin_completions_total", labels) or 0.0


@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "thread"])
async def test_a_hook_asks_the_engine_of_the_server(
    mentee: Mentee, engine: ScriptedEngine, plugin: Summaries, *, asynchronous: bool
) -> None:
    plugin.asynchronous = asynchronous
    said = await answer(mentee)
    assert said.provenance.completions == {"summaries": 1}
    assert (said.text, said.provenance.source, list(said.provenance.plugins)) == (
        SUMMARY,
        "plugin",
        ["secrets", "summaries"],
    )
    (request,) = engine.requests
    assert (request.adapter, request.department, request.max_new_tokens) == (None, "it", 256)
    assert request.messages == (ChatMessage("user", "Summarise: printer, laptop, mouse"),)
    assert engine.started
    await mentee.stop_engine()
    assert not engine.started


class Rewords:
    """Asks the model for other search words, and gives no answer."""

    @hookimpl
    def enrich_question(self, question: Question, context: PluginContext) -> None:
        for _ in range(3):
            with suppress(EngineError):
                context.model.complete(f"Reword: {question.text}")


async def test_provenance_says_which_plugins_had_the_model_write_how_much(
    make_home: MakeHome, engine: ScriptedEngine, plugin: Summaries
) -> None:
    mentee = make_home(
        departments=["it"], engine=engine, built_in=(), extra_plugins={"summaries": plugin, "rewords": Rewords()}
    )
    engine.say("Tickets?", EngineError("The model is down."), "Requests?", SUMMARY)
    said = await answer(mentee)
    assert said.provenance.completions == {"rewords": 2, "summaries": 1}
    assert list(said.provenance.plugins) == ["summaries"], "the other one changed nothing"
    assert answer_json(said)["provenance"]["completions"] == {"rewords": 2, "summaries": 1}
    mentee.recorder.record(QUESTION, said)
    recorded = mentee.history.of_answer(said.id)
    assert recorded is not None
    assert recorded.answer.provenance.completions == {"rewords": 2, "summaries": 1}
    again = await answer(mentee)
    assert again.provenance.completions == {"rewords": 3, "summaries": 1}, "each answer has its own"


def test_hooks_and_jobs_ask_where_no_server_runs(mentee: Mentee, engine: ScriptedEngine, plugin: Summaries) -> None:
    direct = mentee.plugins.answer_directly(QUESTION, "it")
    assert direct is not None
    assert direct.text == SUMMARY
    for name in ("thread", "loop"):
        run_job(mentee, "summaries", name)
    assert plugin.texts == [SUMMARY, SUMMARY]
    assert [request.department for request in engine.requests] == ["it", "it", ""]
    threads = threading.active_count()
    mentee.close()
    assert not engine.started
    assert threading.active_count() < threads


async def test_what_a_guard_refuses_is_not_shown(mentee: Mentee, engine: ScriptedEngine) -> None:
    engine.say("The key is AKIAIOSFODNN7EXAMPLE.")
    assert "AKIA" not in (await answer(mentee)).text


def test_a_text_ends_at_its_limits(mentee: Mentee, engine: ScriptedEngine) -> None:
    model, done = context_of(mentee).model, count("done")
    assert model.complete("Summarise", max_tokens=2) == "Three tickets"
    assert model.complete("Summarise", stop=["are"]) == "Three tickets"
    engine.say("<think>Hm, three?</think>\n\nThree.")
    assert model.complete([ChatMessage("system", "Be brief."), ChatMessage("user", "How many?")]) == "Three."
    engine.say("Three\0tickets.")
    assert "\0" not in model.complete("Summarise"), "no database or page can hold it"
    assert count("done") == done + 4
    for tokens in (0, 257):
        with pytest.raises(SettingsError, match=r"Expected 1 to 256, which is model\.max_new_tokens"):
            model.complete("Summarise", max_tokens=tokens)
    with pytest.raises(TooLargeError, match=r"The prompt has 200000 tokens"):
        model.complete("word " * 200_000)


def test_a_text_that_takes_too_long_is_given_up_with_the_models_work(mentee: Mentee, engine: ScriptedEngine) -> None:
    engine.gate.clear()
    with pytest.raises(EngineError, match=r"didn't complete the text within 0\.3 s"):
        context_of(mentee).model.complete("Summarise", seconds=0.3)
    assert (engine.cancelled, engine.running) == (1, 0)


def test_a_hook_without_time_does_not_ask(mentee: Mentee, engine: ScriptedEngine) -> None:
    with pytest.raises(EngineError, match="no time left"):
        context_of(mentee).model.complete("Summarise", seconds=0.0)
    assert engine.requests == []


def test_a_full_queue_and_a_failing_engine_are_said(mentee: Mentee, engine: ScriptedEngine) -> None:
    model, busy, failed = context_of(mentee).model, count("busy"), count("failed")
    engine.say(BusyError("All places are taken.", retry_after=1), EngineError("The server is down."))
    with pytest.raises(BusyError, match="All places are taken"):
        model.complete("Summarise")
    with pytest.raises(EngineError, match="The server is down"):
        model.complete("Summarise")
    assert (count("busy"), count("failed")) == (busy + 1, failed + 1)


async def test_a_plugin_may_not_take_the_whole_queue(mentee: Mentee, engine: ScriptedEngine) -> None:
    mentee.running_engine.bind()
    model = context_of(mentee).model
    engine.gate.clear()
    under_way = [asyncio.create_task(model.acomplete("Summarise")) for _ in range(4)]
    async with asyncio.timeout(WAIT_SECONDS):
        while engine.held < len(under_way):  # noqa: ASYNC110 - the engine counts them
            await asyncio.sleep(0.01)
    with pytest.raises(BusyError, match="'asks' already runs as many completions as it may"):
        await model.acomplete("Summarise")
    under_way[0].cancel()
    engine.gate.set()
    assert await asyncio.gather(*under_way[1:]) == [SUMMARY] * 3
    assert engine.cancelled == 1
    assert await model.acomplete("Summarise") == SUMMARY


async def test_blocking_the_engines_loop_is_refused(mentee: Mentee) -> None:
    mentee.running_engine.bind()
    with pytest.raises(SettingsError, match=r"acomplete"):
        context_of(mentee).model.complete("Summarise")


def test_without_a_model_the_error_says_what_to_do(
    make_home: MakeHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("MENTEE_MODELS_DIR", str(tmp_path))
    mentee = make_home(departments=["it"], built_in=(), extra_plugins={"asks": ASKS})
    with pytest.raises(MenteeError, match="mentee model fetch"):
        context_of(mentee).model.complete("a secret prompt")
    assert "a secret prompt" not in "".join(capsys.readouterr())
