"""An acknowledged question is answered exactly once within 30 s, wherever the process is killed in between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from plugins.slack.testing import FakeSlack, hang
from plugins.slack.testing.fixtures import slack_secrets, slack_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from bot.testing.homes import MakeHome

SERVER = Path(__file__).with_name("scripted_server.py")
SEED = 20260922
KILLS = 20
QUESTIONS = 3
REPLICA_QUESTIONS = 16
POSTING = ("chat.postMessage", "chat.startStream", "chat.stopStream")
SPREAD_SECONDS = 0.9
"""A little longer than an answer takes, so that kills fall before, during and after generation and posting."""


@pytest.fixture
def server(mentee: Mentee) -> Iterator[Any]:  # noqa: ARG001 - it serves this home
    """Return a context manager that serves the home from a new process and yields what kills it."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, str(SERVER)], text=True, **pipes) as template:
        written, read = template.stdin, template.stdout
        assert written is not None
        assert read is not None

        @contextmanager
        def serve() -> Iterator[Any]:
            written.write("\n")
            written.flush()
            process = int(read.readline())
            try:
                yield partial(kill, process)
            finally:
                kill(process)

        yield serve
        template.kill()


def kill(process: Any) -> None:
    """Kill a process and wait until it is gone."""
    try:
        while True:
            os.kill(process, signal.SIGKILL)
            time.sleep(0.002)
    except ProcessLookupError:
        pass


async def connected(slack: FakeSlack, accepted: Any) -> None:
    """Wait until a new process takes deliveries: over its socket, with those of killed ones gone, or at its address."""
    if not slack.events_url:
        await slack.wait_until(lambda: slack.sockets.accepted > accepted and len(slack.sockets.open) == 1, 20)
        return
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(slack.events_url.replace("/slack/events", "/livez")) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def ask_and_kill(slack: FakeSlack, kill: Any, chance: Any, number: int) -> Any:
    """Ask a few questions, staggered, and kill the process a random while after their acknowledgements."""
    asked = {}
    for place in range(QUESTIONS):
        channel = f"C{number}-{place}"
        if chance.random() < 0.5:
            slack.fail(chance.choice(POSTING), hang(0.2, stored=True), channel=channel)  # the kill may fall into a post
        asked[channel] = await slack.mention("Are hotels tax exempt?", channel=channel)
        assert asked[channel].acknowledged
        await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS / QUESTIONS))
    await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS))
    kill()
    return asked


def unfinished(mentee: Mentee) -> Any:
    from sqlalchemy import func, select

    from bot.storage.tables.delivery import OutboxRow

    with mentee.store.read() as session:
        open_rows = select(func.count()).where(OutboxRow.state.in_(("pending", "leased")))
        return int(mentee.inbox.depth() + (session.scalar(open_rows) or 0))


def complete(slack: FakeSlack, channel: str) -> Any:
    """Return the app's messages in a channel if there are any and none grows any more."""
    posts = slack.posts(channel)
    return [] if any(post.streaming for post in posts) else posts


async def settled(slack: FakeSlack, mentee: Mentee, asked: Any) -> None:
    """Wait until every question is answered and nothing is left to do, as long as is promised."""
    started = time.monotonic()
    await slack.wait_until(lambda: all(complete(slack, channel) for channel in asked), 30)
    while await asyncio.to_thread(unfinished, mentee):
        await asyncio.sleep(0.05)
        assert time.monotonic() - started < 30


def assert_each_answered_once(slack: FakeSlack, asked: Any) -> None:
    visible = {channel: [post.thread_ts for post in slack.posts(channel)] for channel in asked}
    assert visible == {channel: [delivery.ts] for channel, delivery in asked.items()}
    assert all(post.thumbs and "12 states" in post.shown for channel in asked for post in slack.posts(channel))
    assert not any(post.streaming for post in slack.posts())


@pytest.fixture
def mentee(request: pytest.FixtureRequest, make_home: MakeHome, fake_slack: FakeSlack, unused_tcp_port: int) -> Any:
    """Return an instance's home, of a transport, whose answers are streamed or come whole."""
    transport, streaming = request.param
    own = {"limits": {"lease_seconds": 1.0}, "slack": {"streaming": streaming}, "web": {"port": unused_tcp_port}}
    if transport == "http":
        fake_slack.events_url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    settings = slack_settings(fake_slack, transport, own)
    return make_home(departments=["travel"], settings=settings, secrets=slack_secrets(), built_in=())


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mentee", [("socket", "native"), ("http", "off")], ids="-".join, indirect=True)
async def test_every_acknowledged_question_is_answered_once(mentee: Any, server: Any, fake_slack: FakeSlack) -> None:
    chance = random.Random(SEED)
    asked: dict[str, Any] = {}
    unanswered: list[str] = []

    for number in range(KILLS):
        accepted = fake_slack.sockets.accepted
        with server() as kill_it:
            await connected(fake_slack, accepted)
            asked_now = await ask_and_kill(fake_slack, kill_it, chance, number)
        asked |= asked_now
        unanswered += [channel for channel in asked_now if not complete(fake_slack, channel)]
    accepted = fake_slack.sockets.accepted
    with server():
        await connected(fake_slack, accepted)
        await settled(fake_slack, mentee, asked)

    assert len(asked) == KILLS * QUESTIONS
    assert unanswered, f"seed {SEED}: no kill fell between acknowledgement and post"
    assert_each_answered_once(fake_slack, asked)


@pytest.mark.full
@pytest.mark.parametrize("mentee", [("socket", "native"), ("socket", "off")], ids="-".join, indirect=True)
async def test_a_replica_completes_what_a_killed_one_began(mentee: Any, server: Any, fake_slack: FakeSlack) -> None:
    chance = random.Random(SEED)
    with server() as kill_the_first, server():
        await fake_slack.wait_until(lambda: len(fake_slack.sockets.open) == 2, 30)
        asked = {}
        for place in range(REPLICA_QUESTIONS):
            asked[f"C{place}"] = await fake_slack.mention("Are hotels tax exempt?", channel=f"C{place}")
            await asyncio.sleep(chance.uniform(0, 0.1))
            if place == REPLICA_QUESTIONS // 2:
                kill_the_first()
        assert all(delivery.acknowledged for delivery in asked.values())
        await settled(fake_slack, mentee, asked)
    assert_each_answered_once(fake_slack, asked)
