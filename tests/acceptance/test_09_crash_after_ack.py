"""A question that was acknowledged is answered within 30 s and seen once, wherever between the process was killed."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.testing.fake_slack import slack_secrets, slack_settings
from bot.testing.slack import hang

SERVER = Path(__file__).with_name("scripted_server.py")
SEED = 20260922
KILLS = 20
QUESTIONS = 3
SPREAD_SECONDS = 0.9
"""A little longer than an answer takes, so that kills fall before, during and after generation and posting."""


@contextmanager
def server():
    process = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def connected(slack, accepted):
    """Wait until a new socket is there and those of killed processes are gone."""
    await slack.wait_until(lambda: slack.sockets.accepted > accepted and len(slack.sockets.open) == 1, 20)


async def ask_and_kill(slack, process, chance, number):
    """Ask a few questions, staggered, and kill the process a random while after their acknowledgements."""
    asked = {}
    for place in range(QUESTIONS):
        channel = f"C{number}-{place}"
        if chance.random() < 0.5:
            slack.fail("chat.postMessage", hang(0.2, stored=True), channel=channel)  # the kill may fall into a post
        asked[channel] = await slack.mention("Are hotels tax exempt?", channel=channel)
        assert asked[channel].acknowledged
        await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS / QUESTIONS))
    await asyncio.sleep(chance.uniform(0, SPREAD_SECONDS))
    process.send_signal(signal.SIGKILL)
    process.wait()
    return asked


def unfinished(mentee):
    from sqlalchemy import func, select

    from bot.store.models import OutboxRow

    with mentee.store.read() as session:
        open_rows = select(func.count()).where(OutboxRow.state.in_(("pending", "leased")))
        return mentee.inbox.depth() + session.scalar(open_rows)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_acknowledged_question_is_answered_once(make_home, fake_slack):
    chance = random.Random(SEED)
    settings = slack_settings(fake_slack, "socket", {"limits": {"lease_seconds": 1.0}})
    mentee = make_home(departments=["travel"], settings=settings, secrets=slack_secrets(), built_in=())
    asked, unanswered = {}, []

    for number in range(KILLS):
        accepted = fake_slack.sockets.accepted
        with server() as process:
            await connected(fake_slack, accepted)
            asked_now = await ask_and_kill(fake_slack, process, chance, number)
        asked |= asked_now
        unanswered += [channel for channel in asked_now if not fake_slack.posts(channel)]
    started = time.monotonic()
    accepted = fake_slack.sockets.accepted
    with server():
        await connected(fake_slack, accepted)
        await fake_slack.wait_until(lambda: all(fake_slack.posts(channel) for channel in asked), 30)
        while await asyncio.to_thread(unfinished, mentee):
            await asyncio.sleep(0.05)
            assert time.monotonic() - started < 30

    assert len(asked) == KILLS * QUESTIONS
    assert unanswered, f"seed {SEED}: no kill fell between acknowledgement and post"
    visible = {channel: [post.thread_ts for post in fake_slack.posts(channel)] for channel in asked}
    assert visible == {channel: [delivery.ts] for channel, delivery in asked.items()}
