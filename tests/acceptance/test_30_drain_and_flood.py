"""On shutdown Mentee finishes or hands back its work in time; under overload it rejects new questions and says so."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select

from bot.cli.commands.serve import FORCED_SECONDS
from bot.server.lifespan import ENGINE_SECONDS
from bot.server.stopping import CONNECTIONS_SECONDS, LINGER_SECONDS
from bot.storage.tables.delivery import InboxRow, OutboxRow
from plugins.slack.testing.fixtures import MakeSlackProject, slack_secrets, slack_settings
from plugins.web.testing import fixtures as web_chat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome
    from bot.testing.serving import ServeHome
    from plugins.slack.testing import FakeSlack
    from plugins.web.testing.fixtures import MakeWeb, Visit

SERVE = Path(__file__).with_name("scripted_serve.py")
EXIT_SECONDS = 30
DRAIN_SECONDS = 8
MARGIN_SECONDS = 5
SHORT, LONG = 10, 3
FLOOD, BOUND, TOGETHER = 1_000, 200, 50
BROWSERS = 20
GROWTH_BYTES = 50_000_000


@contextmanager
def serving(words: Any = SHORT, **variables: Any) -> Iterator[Any]:
    """Run ``mentee serve`` in the home in force; ``words`` is the length of its long answers."""
    environment = {**os.environ, "MENTEE_TEST_LONG": str(words), **variables}
    process = subprocess.Popen(
        [sys.executable, str(SERVE)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def watch(url: str) -> Any:
    """Ask on the page and read the answer's stream to its end; return how it ended."""
    with httpx2.Client(base_url=url, timeout=60) as browser:
        browser.get("/")
        asked = {"text": "A long one, please?", "department": None, "conversation": "conversation-1", "key": "key-0001"}
        accepted = browser.post("/api/v1/questions", json=asked)
        with browser.stream("GET", accepted.json()["events"], headers={"Accept": "text/event-stream"}) as stream:
            return stream.status_code, "".join(stream.iter_text())


def rows(mentee: Mentee, table: Any) -> Any:
    with mentee.store.read() as session:
        return list(session.scalars(select(table)))


async def alive(url: str) -> None:
    """Wait until the server listens."""
    await ready(url, probe="livez")


async def ready(url: str, seconds: float = 60, probe: str = "readyz") -> None:
    """Wait until the server answers questions."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if (await asyncio.to_thread(httpx2.get, f"{url}/{probe}")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


async def under_way(mentee: Mentee, count: int) -> None:
    """Wait until so many questions are being answered, or are answered already."""
    async with asyncio.timeout(20):
        while sum(row.state in ("leased", "done") for row in await asyncio.to_thread(rows, mentee, InboxRow)) < count:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)


@pytest.fixture
def home(request: pytest.FixtureRequest, make_home: MakeHome, fake_slack: FakeSlack, unused_tcp_port: int) -> Any:
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


async def served(slack: FakeSlack, url: str) -> None:
    """Wait until a new process answers questions and takes deliveries."""
    await ready(url)
    if not slack.events_url:
        await slack.wait_for_socket(60)


@pytest.mark.full
@pytest.mark.timeout(180)
@pytest.mark.parametrize("home", [("socket", "native"), ("http", "off")], ids="-".join, indirect=True)
async def test_told_to_stop_it_ends_what_it_can_and_hands_back_the_rest(home: Any, fake_slack: FakeSlack) -> None:
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


HANGING = """
import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

from bot import hookimpl

WHERE = os.environ["MENTEE_TEST_HANG"]


@hookimpl
def enrich_question(question):
    if WHERE == "hook":
        time.sleep(3600)
    if WHERE == "thread":
        ThreadPoolExecutor(1).submit(time.sleep, 3600)


class Hanging:
    name = "hanging"

    async def start(self): ...

    async def stop(self):
        if WHERE == "service":
            await asyncio.sleep(3600)
        if WHERE == "event loop":
            time.sleep(3600)


@hookimpl
def register_services(instance, queues):
    return [Hanging()]
"""
"""A plugin that hangs where a variable says."""


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("hook", 0),
        pytest.param("thread", 0, marks=pytest.mark.full),
        pytest.param("service", 0, marks=pytest.mark.full),
        pytest.param("event loop", 1, marks=pytest.mark.full),
    ],
)
async def test_told_to_stop_it_ends_in_time_whatever_hangs(
    make_home: MakeHome, tmp_path: Path, unused_tcp_port: int, where: str, code: int
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "web": {"port": unused_tcp_port, "sign_in": "demo"},
        "limits": {"drain_seconds": 2.0, "plugin_seconds": 60.0},
    }
    mentee = make_home(departments=["travel"], settings=settings)
    package = tmp_path / "site" / "hanging-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[mentee]\nhanging = hanging_plugin\n")
    (tmp_path / "site" / "hanging_plugin.py").write_text(HANGING)
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with serving(PYTHONPATH=path, MENTEE_TEST_HANG=where) as process:
        await ready(url)
        watching = asyncio.create_task(asyncio.to_thread(watch, url))
        await under_way(mentee, 1)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, EXIT_SECONDS) == code
        assert time.monotonic() - told < CONNECTIONS_SECONDS + 2.0 + FORCED_SECONDS + MARGIN_SECONDS
    await asyncio.gather(watching, return_exceptions=True)
    (question,) = rows(mentee, InboxRow)
    if where == "hook":
        assert (question.state, question.leased_by, question.strikes) == ("received", None, 0)


async def test_told_to_stop_while_the_model_loads_it_does_not_wait_for_it(
    make_home: MakeHome, unused_tcp_port: int
) -> None:
    make_home(departments=["travel"], settings={"web": {"port": unused_tcp_port, "sign_in": "demo"}})
    with serving(MENTEE_TEST_LOADING="3600") as process:
        await alive(f"http://127.0.0.1:{unused_tcp_port}")
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, EXIT_SECONDS) == 0
        assert time.monotonic() - told < ENGINE_SECONDS + LINGER_SECONDS + MARGIN_SECONDS


@pytest.mark.full
@pytest.mark.timeout(240)
@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_of_a_flood_the_bound_is_answered_and_everybody_else_is_told(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
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


@pytest.mark.full
@pytest.mark.timeout(240)
def test_of_a_flood_on_the_web_the_bound_is_answered_and_everybody_else_is_told(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    home = serve_home(make_web({"limits": {"queue": BOUND}}))
    browsers = [visit(home) for _ in range(BROWSERS)]
    for number, browser in enumerate(browsers):  # whatever grows once has grown before memory is measured
        web_chat.answer(browser, "Are hotels tax exempt?", key=f"warm-up-{number:04}")
    web_engine.gate.clear()  # no answer ends before the flood is over
    before = resident_bytes()

    def flood(number: int) -> list[httpx2.Response]:
        keys = (f"flood-{number:02}-{each:04}" for each in range(FLOOD // BROWSERS))
        return [web_chat.ask(browsers[number], "Are hotels tax exempt?", key=key) for key in keys]

    with ThreadPoolExecutor(BROWSERS) as pool:
        responses = list(pool.map(flood, range(BROWSERS)))
    everything = [response for each in responses for response in each]
    assert httpx2.get(f"{home.url}/livez").status_code == 200
    grown = resident_bytes() - before
    loop: Any = web_engine.gate._loop  # type: ignore[attr-defined] # the server's, which waits at the gate in its thread
    loop.call_soon_threadsafe(web_engine.gate.set)

    accepted = [[response for response in each if response.status_code == 202] for each in responses]
    busy = [response for response in everything if response.status_code != 202]
    assert len(everything) == FLOOD
    assert BOUND <= sum(map(len, accepted)) < BOUND + BROWSERS  # so many may see the last free place at a time
    assert {response.status_code for response in busy} == {429}
    assert all(int(response.headers["Retry-After"]) >= 1 for response in busy)
    assert grown < GROWTH_BYTES
    for browser, taken in zip(browsers, accepted, strict=True):
        for response in taken:
            name, said = web_chat.events(browser, response.json()["events"])[-1]
            assert (name, "12 states" in said["html"]) == ("done", True)
    assert resident_bytes() - before < GROWTH_BYTES


async def ask(slack: FakeSlack, numbers: Any) -> Any:
    """Ask in so many direct conversations, some at a time; return the deliveries by conversation."""
    asked: dict[str, Any] = {}
    numbers = list(numbers)
    for start in range(0, len(numbers), TOGETHER):
        places = [f"D{number}" for number in numbers[start : start + TOGETHER]]
        deliveries = await asyncio.gather(
            *(slack.message("Are hotels tax exempt?", channel=place, user=f"U{place}") for place in places)
        )
        asked |= dict(zip(places, deliveries, strict=True))
    return asked


def told_busy(slack: FakeSlack) -> Any:
    return [post.channel for post in slack.posts() if "Many questions are waiting" in post.shown]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
