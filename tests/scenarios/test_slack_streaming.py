"""Answers that appear while they are written: streamed, edited or whole, each completed once whatever happens."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.delivery.questions import APOLOGY
from bot.domain.answers import Verdict
from bot.domain.errors import BusyError, EngineError
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.testing.engines import long_answer
from bot.testing.notes import make_plugin
from plugins.slack.outbound.rate_limits import STARTS
from plugins.slack.testing import FakeSlack, drop, error, rate_limited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

    Slow = Callable[..., Awaitable[SlackProject]]

NATIVE = {"slack": {"streaming": "native"}}
QUESTION = "Are hotels tax exempt?"
FIRST, SECOND = "Hotels are tax exempt in 12 states [1].", "Show the form at the desk [1]."


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes follow each other at once, so that no test waits for the pace."""
    monkeypatch.setattr("plugins.slack.outbound.streaming.PACE_SECONDS", 0.01)


@pytest.fixture
async def slow(slack_project: MakeSlackProject) -> Slow:
    """Return a function that makes an instance whose answers stop after the first sentence until ``gate`` is set."""

    async def make(
        transport: str = "socket", *, streaming: str = "native", settings: dict[str, Any] | None = None, **more: Any
    ) -> SlackProject:
        chosen = {**(settings or {}), "slack": {"streaming": streaming}}
        project = await slack_project(transport, settings=chosen, **more)
        project.engine.answer = f"{FIRST} {SECOND}"
        project.engine.hold_at = len(FIRST.split()) + 1  # a sentence is over when the next one has begun
        project.engine.gate.clear()
        return project

    return make


def growing(slack: FakeSlack, channel: str = "C1") -> Any:
    return next((post for post in slack.posts(channel) if FIRST in post.shown), None)


def outbox(project: SlackProject) -> list[OutboxRow]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(OutboxRow)))


async def held(project: SlackProject, answers: int = 1) -> None:
    """Wait until so many answers are half written."""
    async with asyncio.timeout(20):
        while project.engine.held < answers:  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize("channel", ["C1", "D1"])
async def test_an_answer_is_streamed_into_its_thread(
    slow: Slow, fake_slack: FakeSlack, transport: str, channel: str
) -> None:
    project = await slow(transport)
    asked = await (fake_slack.message if channel == "D1" else fake_slack.mention)(QUESTION, channel=channel)
    post = await fake_slack.wait_until(lambda: growing(fake_slack, channel))
    assert (post.streaming, post.thread_ts, post.thumbs) == (True, asked.ts, None)
    assert SECOND not in post.shown
    started = fake_slack.called("chat.startStream")[0].arguments
    assert (started["recipient_user_id"], started["recipient_team_id"]) == ("U1", "T0FAKE")
    project.engine.gate.set()
    whole = await fake_slack.wait_for_post(channel)
    await project.settled()
    assert whole is post
    assert fake_slack.posts(channel) == [post]
    assert f"{FIRST} {SECOND}" in post.shown
    assert "travel/lodging.md" in post.shown
    assert post.thumbs is not None
    assert post.metadata["event_payload"]["part"] == 0
    assert not fake_slack.called("chat.postMessage")
    assert not fake_slack.called("chat.update")


async def test_answers_in_one_channel_begin_a_second_apart(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    project.engine.gate.set()
    await asyncio.gather(*(fake_slack.mention(QUESTION, channel="C1") for _ in range(3)))
    await fake_slack.mention(QUESTION, channel="C2")
    await project.settled()
    posted = [post.at for post in fake_slack.posts("C1")]
    assert len(posted) == 3
    assert all(later - earlier >= 1 for earlier, later in pairwise(posted))
    assert fake_slack.called("chat.startStream")
    assert fake_slack.posts("C2")[0].at < posted[-1], "another channel does not wait"


async def test_steps_are_shown_and_end(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: growing(fake_slack))
    project.engine.gate.set()
    post = await fake_slack.wait_for_post("C1")
    steps = {task["title"]: task["status"] for task in post.blocks_of("task_card")}
    assert steps["Searching the Travel documents"] == "complete"
    assert set(steps.values()) == {"complete"}


async def test_a_streamed_answer_is_voted_on_like_any_other(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    project.engine.gate.set()
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    await fake_slack.press("up", user="U2", post=post)
    await fake_slack.react("thumbsdown", user="U3", post=post)
    await project.settled()
    answer_id = project.mentee.outbox.find_answer("slack", f"C1:{post.ts}")
    assert answer_id is not None
    current = [project.mentee.votes.current(answer_id, f"slack:{user}") for user in ("U2", "U3")]
    assert [vote.value for vote in current if vote] == ["up", "down"]


async def test_what_a_guard_refuses_is_never_on_screen(slow: Slow, fake_slack: FakeSlack) -> None:
    def check_answer(draft: str) -> Any:
        return Verdict(ok="form" not in draft, reason="no forms", replacement="Please ask the travel desk.")

    project = await slow(plugins={"guard": make_plugin(check_answer=check_answer)})
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: growing(fake_slack))
    project.engine.gate.set()
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert "Please ask the travel desk." in post.shown
    assert FIRST not in post.shown, "a replacement replaces everything"
    assert not any("form at the desk" in str(call.arguments) for call in fake_slack.calls)
    assert post.thumbs is not None


async def test_where_nothing_may_be_rewritten_the_message_is_replaced(slow: Slow, fake_slack: FakeSlack) -> None:
    def check_answer(draft: str) -> Any:
        return Verdict(ok="form" not in draft, replacement="Please ask the travel desk.")

    fake_slack.streams.rewritable = False
    project = await slow(plugins={"guard": make_plugin(check_answer=check_answer)})
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: growing(fake_slack))
    project.engine.gate.set()
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert "Please ask the travel desk." in post.shown


REFUSALS = [error("unknown_method"), error("channel_type_not_supported"), error("missing_scope"), rate_limited(30)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda fault: str(fault.value))
async def test_where_slack_does_not_stream_a_message_is_edited(slow: Slow, fake_slack: FakeSlack, refusal: Any) -> None:
    project = await slow()
    fake_slack.fail("chat.startStream", refusal, times=9)
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_until(lambda: growing(fake_slack))
    assert post.stream is None
    assert post.thumbs is None
    assert any("Searching" in status["loading_messages"][0] for status in fake_slack.surfaces.statuses)
    project.engine.gate.set()
    await project.settled()
    assert fake_slack.posts("C1") == [post]
    assert SECOND in post.shown
    assert post.thumbs is not None
    project.engine.gate.clear()
    await fake_slack.mention(QUESTION, channel="C2")
    await fake_slack.wait_until(lambda: growing(fake_slack, "C2"))
    project.engine.gate.set()
    await project.settled()
    asked_again = 2 if refusal.value == "channel_type_not_supported" else 1
    assert len(fake_slack.called("chat.startStream")) == asked_again, "the workspace's word counts for the next answer"


async def test_the_start_rate_is_kept_and_the_rest_comes_otherwise(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    began = time.monotonic()
    await asyncio.gather(*(fake_slack.mention(QUESTION, channel=f"C{number}") for number in range(25)))
    await held(project, 25)
    await fake_slack.wait_until(lambda: len([post for post in fake_slack.posts() if FIRST in post.shown]) == 25)
    project.engine.gate.set()
    await project.settled()
    one_more_every = 60 / STARTS
    assert STARTS <= len(fake_slack.called("chat.startStream")) <= STARTS + (time.monotonic() - began) / one_more_every
    assert [len(fake_slack.posts(f"C{number}")) for number in range(25)] == [1] * 25
    assert all("12 states" in post.shown and post.thumbs for post in fake_slack.posts())


@pytest.mark.parametrize("streaming", ["edit", "off"])
async def test_streaming_can_be_switched_off(slow: Slow, fake_slack: FakeSlack, streaming: str) -> None:
    project = await slow(streaming=streaming)
    await fake_slack.mention(QUESTION)
    await held(project)
    if streaming == "edit":
        await fake_slack.wait_until(lambda: growing(fake_slack))
    project.engine.gate.set()
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert SECOND in post.shown
    assert not fake_slack.called("chat.startStream")
    assert bool(fake_slack.called("chat.update")) is (streaming == "edit")


@pytest.mark.parametrize("by", ["time", "reader"])
async def test_a_stream_that_ends_before_its_answer_is_completed(slow: Slow, fake_slack: FakeSlack, by: Any) -> None:
    project = await slow()
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_until(lambda: growing(fake_slack))
    fake_slack.streams.end(post, by)
    project.engine.gate.set()
    await project.settled()
    assert fake_slack.posts("C1") == [post]
    assert SECOND in post.shown
    assert post.thumbs is not None


LOST = {
    "start": ("chat.startStream", drop(stored=True)),
    "append": ("chat.appendStream", drop(stored=True)),
    "append that was not taken": ("chat.appendStream", drop(stored=False)),
    "stop": ("chat.stopStream", drop(stored=True)),
    "stop that was not taken": ("chat.stopStream", drop(stored=False)),
    "a limited stop": ("chat.stopStream", rate_limited(1)),
}


@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_reply_makes_no_second_message(slow: Slow, fake_slack: FakeSlack, lost: Any) -> None:
    project = await slow()
    fake_slack.fail(*LOST[lost])
    await fake_slack.mention(QUESTION)
    await held(project)
    project.engine.gate.set()
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert not post.streaming
    assert post.shown.count(FIRST) == post.shown.count(SECOND) == 1
    assert post.thumbs is not None


FAILURES = {"busy": BusyError("full", retry_after=0.2), "defect": RuntimeError("defect")}


@pytest.mark.parametrize("failure", FAILURES)
async def test_an_answer_that_is_put_off_says_so_and_is_completed_in_place(
    slow: Slow, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    project = await slow()
    real, gate = project.engine.generate, project.engine.gate

    async def fails_once(_request: Any) -> AsyncIterator[Any]:
        monkeypatch.setattr(project.engine, "generate", real)
        yield f"{FIRST} And"
        await gate.wait()
        gate.clear()
        raise FAILURES[failure]

    monkeypatch.setattr(project.engine, "generate", fails_once)
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_until(lambda: growing(fake_slack))
    gate.set()
    await fake_slack.wait_until(lambda: not post.streaming)
    assert "interrupted" in post.shown
    gate.set()
    await project.settled()
    assert fake_slack.posts("C1") == [post]
    assert "interrupted" not in post.shown
    assert SECOND in post.shown
    assert len(fake_slack.called("chat.startStream")) == 1


async def test_an_answer_that_fails_ends_in_an_apology(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    project.engine.say(EngineError("The model cannot be reached.", hint="Try again in a minute."))
    await fake_slack.mention(QUESTION)
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert not post.streaming
    assert APOLOGY in post.shown


async def test_an_answer_that_is_ready_at_once_is_not_streamed(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    from bot.domain.answers import DirectAnswer

    plugin = make_plugin(answer_directly=lambda question: DirectAnswer(f"Ticket 7 is open, {question.person.name}."))
    project = await slack_project(settings=NATIVE, plugins={"tickets": plugin})
    await fake_slack.mention("How is ticket 7?")
    await project.settled()
    assert "Ticket 7 is open" in fake_slack.posts("C1")[0].shown
    assert not fake_slack.called("chat.startStream")


async def test_a_long_answer_is_streamed_and_goes_on_in_further_messages(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(settings={**NATIVE, "model": {"max_new_tokens": 4096}})
    project.engine.answer = long_answer()
    project.engine.hold_at = 100  # words: in the second paragraph
    project.engine.gate.clear()
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: [post for post in fake_slack.posts("C1") if post.streaming])
    project.engine.gate.set()
    await project.settled()
    posts = fake_slack.posts("C1")
    assert [post.stream is not None for post in posts] == [True, False]
    assert [post.thumbs is not None for post in posts] == [False, True]
    assert "".join("".join(post.shown for post in posts).split()).count("Paragraph19on") == 1


async def test_an_answer_that_is_withdrawn_is_taken_away(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: growing(fake_slack))
    with project.mentee.store.write() as session:
        # as when its question is deleted
        project.mentee.inbox.finish(session, session.scalars(select(InboxRow.id)).one())
    project.engine.gate.set()
    await fake_slack.wait_until(lambda: not fake_slack.posts("C1"))
    await project.settled()
    assert outbox(project) == []


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_deleted_question_stops_its_answer_and_takes_the_stream_away(
    slow: Slow, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slow(transport, settings={"limits": {"lease_seconds": 1.0}, "model": {"max_new_tokens": 4096}})
    more = " ".join(f"Show form number {number} at the desk [1]." for number in range(400))
    project.engine.answer, project.engine.delay = f"{FIRST} {more}", 0.01
    asked = await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: growing(fake_slack))
    project.engine.gate.set()
    await fake_slack.delete(asked)
    await fake_slack.wait_until(lambda: fake_slack.posts("C1") == [])
    await project.settled()
    assert (project.engine.finished, project.engine.cancelled) == (0, 1), "the rest is not written for nobody"
    assert fake_slack.posts("C1") == []
    assert outbox(project) == []


async def test_a_database_that_fails_meanwhile_costs_only_the_showing(
    slow: Slow, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await slow()
    monkeypatch.setattr(project.mentee.outbox, "begin", lambda *_, **__: 1 / 0)
    project.engine.gate.set()
    await fake_slack.mention(QUESTION)
    await project.settled()
    [post] = fake_slack.posts("C1")
    assert SECOND in post.shown


async def test_stopping_ends_the_stream_and_the_next_process_completes_it(
    slow: Slow,
    fake_slack: FakeSlack,
    replica: Callable[[str], Awaitable[SlackProject]],
) -> None:
    project = await slow(settings={"limits": {"drain_seconds": 0.1}})
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_until(lambda: growing(fake_slack))
    await project.stop()
    assert not post.streaming
    assert "interrupted" in post.shown
    successor = await replica(f"{FIRST} {SECOND}")
    await successor.settled()
    assert fake_slack.posts("C1") == [post]
    assert SECOND in post.shown
    assert "interrupted" not in post.shown


async def test_stopping_lets_a_streamed_answer_finish(slow: Slow, fake_slack: FakeSlack) -> None:
    project = await slow()
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_until(lambda: growing(fake_slack))
    stopping = asyncio.create_task(project.stop())
    project.engine.gate.set()
    await stopping
    assert not post.streaming
    assert SECOND in post.shown
    assert post.thumbs is not None
