"""Told to stop, Mentee ends what it can and hands back the rest; flooded, it says "busy" and grows by nothing."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from bot.store.models import InboxRow, OutboxRow
from bot.testing.fake_slack import slack_secrets, slack_settings

SERVE = Path(__file__).with_name("scripted_serve.py")
EXIT_SECONDS = 30
DRAIN_SECONDS = 8
SHORT, LONG = 10, 3
FLOOD, BOUND, TOGETHER = 1_000, 200, 50
GROWTH_BYTES = 50_000_000


@contextmanager
def serving(words):
    """Run ``mentee serve`` in the home in force; ``words`` is the length of its long answers."""
    environment = {**os.environ, "MENTEE_TEST_LONG": str(words)}
    process = subprocess.Popen(
        [sys.executable, str(SERVE)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def watch(url):
    """Ask on the page and read the answer's stream to its end; return how it ended."""
    with httpx2.Client(base_url=url, timeout=60) as browser:
        browser.get("/")
        asked = {"text": "A long one, please?", "department": None, "conversation": "conversation-1", "key": "key-0001"}
        accepted = browser.post("/api/questions", json=asked)
        with browser.stream("GET", accepted.json()["events"], headers={"Accept": "text/event-stream"}) as stream:
            return stream.status_code, "".join(stream.iter_text())


def rows(mentee, table):
    with mentee.store.read() as session:
        return list(session.scalars(select(table)))


async def ready(url, seconds=60):
    """Wait until the server answers questions."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if (await asyncio.to_thread(httpx2.get, f"{url}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


async def under_way(mentee, count):
    """Wait until so many questions are being answered, or are answered already."""
    async with asyncio.timeout(20):
        while sum(row.state in ("leased", "done") for row in await asyncio.to_thread(rows, mentee, InboxRow)) < count:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)


@pytest.fixture
def home(request, make_home, fake_slack, unused_tcp_port):
    """Return an instance's home on the fake, of a transport and a way of showing answers, and its address."""
    transport, streaming = request.param
    url = f"http://127.0.0.1:{unused_tcp_port}"
    if transport == "http":
        fake_slack.events_url = f"{url}/slack/events"
    settings = slack_settings(
        fake_slack,
        transport,
        {"web": {"port": unused_tcp_port, "sign_in": "demo"}, "limits": {"drain_seconds": float(DRAIN_SECONDS)},
         "model": {"embedder": "hashing", "max_new_tokens": 4096}, "slack": {"streaming": streaming}},
    )  # fmt: skip
    return make_home(departments=["travel"], settings=settings, secrets=slack_secrets(), built_in=()), url


async def served(slack, url):
    """Wait until a new process answers questions and takes deliveries."""
    await ready(url)
    if not slack.events_url:
        await slack.wait_for_socket(60)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("home", [("socket", "native"), ("http", "off")], ids="-".join, indirect=True)
async def test_told_to_stop_it_ends_what_it_can_and_hands_back_the_rest(home, fake_slack):
    mentee, url = home
    with serving(words=5_000) as process:
        await served(fake_slack, url)
        watching = asyncio.create_task(asyncio.to_thread(watch, url))
        short = [await fake_slack.message("Short?", channel=f"D1{number}") for number in range(SHORT)]
        long = [await fake_slack.message("A long one?", channel=f"D2{number}") for number in range(LONG)]
        assert all(delivery.acknowledged for delivery in (*short, *long))
        await under_way(mentee, SHORT + LONG + 1)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, EXIT_SECONDS)
        assert (code, time.monotonic() - told < EXIT_SECONDS) == (0, True)
    status, _ = await asyncio.wait_for(watching, 5)
    assert status == 200  # the browser's stream was ended, not cut
    inbox = {row.payload.get("channel", "web"): row for row in rows(mentee, InboxRow)}
    handed_back = {channel for channel, row in inbox.items() if (row.state, row.leased_by) == ("received", None)}
    assert handed_back == {"web", *(f"D2{number}" for number in range(LONG))}
    assert {row.state for channel, row in inbox.items() if channel not in handed_back} == {"done"}
    assert all(row.strikes == 0 for row in inbox.values())
    assert {post.channel for post in fake_slack.posts() if "word-39." in post.shown} == {
        f"D1{number}" for number in range(SHORT)
    }
    assert not [post.channel for post in fake_slack.posts() if post.streaming], "no stream is left open"

    with serving(words=20):
        await fake_slack.wait_until(
            lambda: all(
                any("word-19." in post.shown for post in fake_slack.posts(f"D2{number}")) for number in range(LONG)
            ),
            60,
        )
        await fake_slack.wait_until(lambda: all(post.thumbs for post in fake_slack.posts()))
    places = [f"D1{number}" for number in range(SHORT)] + [f"D2{number}" for number in range(LONG)]
    assert sorted(post.channel for post in fake_slack.posts()) == sorted(places)
    assert not [post.channel for post in fake_slack.posts() if "interrupted" in post.shown or post.streaming]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_of_a_flood_the_bound_is_answered_and_everybody_else_is_told(slack_project, fake_slack, transport):
    project = await slack_project(transport, settings={"limits": {"queue": BOUND}})
    await ask(fake_slack, range(TOGETHER))
    await project.settled(60)
    project.engine.gate.clear()  # no answer ends before the flood is over
    before = resident_bytes()
    asked = await ask(fake_slack, range(TOGETHER, TOGETHER + FLOOD))
    assert all(delivery.acknowledged for delivery in asked.values())
    await fake_slack.wait_until(lambda: len(told_busy(fake_slack)) == FLOOD - BOUND, 120)
    assert project.mentee.inbox.depth() == BOUND
    assert resident_bytes() - before < GROWTH_BYTES
    project.engine.gate.set()
    await project.settled(120)

    answered = {post.channel for post in fake_slack.posts() if "12 states" in post.shown}
    assert len(told_busy(fake_slack)) == FLOOD - BOUND
    assert answered.isdisjoint(told_busy(fake_slack))
    assert {*asked} <= answered | set(told_busy(fake_slack))
    assert len(fake_slack.posts()) == TOGETHER + FLOOD
    assert {row.state for row in rows(project.mentee, OutboxRow)} == {"sent"}
    assert resident_bytes() - before < GROWTH_BYTES


async def ask(slack, numbers):
    """Ask in so many direct conversations, some at a time; return the deliveries by conversation."""
    asked = {}
    numbers = list(numbers)
    for start in range(0, len(numbers), TOGETHER):
        places = [f"D{number}" for number in numbers[start : start + TOGETHER]]
        deliveries = await asyncio.gather(
            *(slack.message("Are hotels tax exempt?", channel=place, user=f"U{place}") for place in places)
        )
        asked |= dict(zip(places, deliveries, strict=True))
    return asked


def told_busy(slack):
    return [post.channel for post in slack.posts() if "Many questions are waiting" in post.shown]


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
