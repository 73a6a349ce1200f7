"""Whatever a plugin's channel or service does, the server starts, answers, tells and stops."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from bot.server import parts, stopping
from bot.server.blocking import watching
from bot.server.lifespan import Runtime
from bot.testing import WAIT_SECONDS
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee
    from bot.testing.serving import ServeHome


class Pigeon:
    """A channel, or a service, that notes when it is started and stopped."""

    def __init__(self, name: str = "pigeon", **replaced: Any) -> None:
        self.name = name
        self.log: list[str] = []
        for method, function in replaced.items():
            setattr(self, method, function)

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def handle(self, item: object) -> None:
        raise NotImplementedError

    async def deliver(self, item: object) -> str:
        raise NotImplementedError

    def healthy(self) -> bool:
        return True


async def raises() -> None:
    raise RuntimeError("no net")


async def leaves() -> None:
    raise SystemExit(3)


async def hangs() -> None:
    await asyncio.sleep(3600)


def starts_at_once() -> int:
    return 3


BAD_STARTS = {
    raises: "RuntimeError: no net",
    leaves: "SystemExit: 3",
    hangs: "longer than 0.3 s",
    starts_at_once: "async def",
}


@pytest.fixture
def make_two(
    make_home: MakeHome, scripted_engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Mentee]:
    """Make a home with a well plugin, ``well``, beside one that a test gives, ``bad``."""
    monkeypatch.setattr(parts, "START_SECONDS", 0.3)
    monkeypatch.setattr(parts, "HEALTH_SECONDS", 0.2)
    monkeypatch.setattr(parts, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(parts, "RETRY_SECONDS", 0.2)

    def make(well: SimpleNamespace, **hooks: Any) -> Mentee:
        plugins = {"notes": make_plugin(register_retriever=retriever), "well": well, "bad": make_plugin(**hooks)}
        return make_home(departments=("it",), engine=scripted_engine, built_in=(), extra_plugins=plugins)

    return make


def retriever() -> NotesRetriever:
    return NotesRetriever()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("start", "told"), BAD_STARTS.items())
def test_a_channel_that_does_not_start_is_named_and_the_rest_goes_on(
    make_two: Callable[..., Mentee], serve_home: ServeHome, start: Any, told: str
) -> None:
    well = Pigeon("owl")
    bad = Pigeon(start=start)
    home = serve_home(make_two(make_plugin(register_channels=lambda: [well]), register_channels=lambda: [bad]))
    assert well.log == ["start"]
    assert set(home.runtime.channels) == {"owl"}
    ready = httpx2.get(f"{home.url}/readyz")
    assert ready.status_code == 503
    assert ready.json()["parts"]["channel owl"] == "ok"
    assert ready.json()["parts"]["channel pigeon"].startswith("not started: ")
    assert told in ready.json()["parts"]["channel pigeon"]
    assert httpx2.get(f"{home.url}/livez").text == "ok"
    wait_until(lambda: "bad" in home.mentee.plugins.problems)
    assert told in home.mentee.plugins.problems["bad"]
    home.stop()
    assert well.log == ["start", "stop"]


@pytest.mark.parametrize("start", BAD_STARTS)
def test_a_service_that_does_not_start_is_named_and_the_rest_goes_on(
    make_two: Callable[..., Mentee], start: Any
) -> None:
    well = Pigeon("owl")

    async def run(mentee: Mentee) -> None:
        runtime = Runtime(mentee, messages=False)
        await runtime.start()
        await asyncio.sleep(0.5)
        assert "start() of the service 'pigeon'" in mentee.plugins.problems["bad"]
        assert runtime.state() == {"database": "ok", "engine": "not used"}
        await runtime.stop()

    services = make_plugin(register_services=lambda: [well])
    asyncio.run(run(make_two(services, register_services=lambda: [Pigeon(start=start)])))
    assert well.log == ["start", "stop"]


@pytest.mark.parametrize("hook", ["register_channels", "register_services"])
@pytest.mark.parametrize("plain", [False, True], ids=["async def", "def"])
def test_a_start_that_blocks_the_event_loop_is_named(
    make_two: Callable[..., Mentee],
    serve_home: ServeHome,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
    plain: bool,
) -> None:
    monkeypatch.setattr(parts, "BLOCKED_SECONDS", 0.2)
    made: list[Mentee] = []

    def block() -> None:
        wait_until(lambda: made[0].plugins.failures("bad"))

    async def start() -> None:
        block()

    def start_plainly() -> Any:
        block()
        return asyncio.sleep(0)

    bad = Pigeon(start=start_plainly if plain else start)
    made.append(make_two(make_plugin(register_channels=lambda: [Pigeon("owl")]), **{hook: lambda: [bad]}))
    home = serve_home(made[0])
    (failure,) = home.mentee.plugins.failures("bad")
    assert failure.hook == f"start() of the {hook.removeprefix('register_').removesuffix('s')} 'pigeon'"
    assert failure.text.startswith("blocks the event loop")
    assert "in block" in failure.traceback
    assert not home.mentee.plugins.failures("well")


async def test_what_waits_without_blocking_is_not_named() -> None:
    told: list[str] = []

    async def wait() -> None:
        await asyncio.sleep(0.3)

    with watching(wait, 0.05, told.append):
        await wait()
    assert not told


def test_a_channel_is_started_again_until_it_starts(make_two: Callable[..., Mentee], serve_home: ServeHome) -> None:
    tries: list[float] = []

    async def starts_at_last() -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise OSError("unreachable")

    bad = Pigeon(start=starts_at_last)
    home = serve_home(make_two(make_plugin(), register_channels=lambda: [bad]))
    wait_until(lambda: httpx2.get(f"{home.url}/readyz").status_code == 200)
    assert len(tries) == 3
    assert tries[1] - tries[0] > 0.19
    assert tries[2] - tries[1] > 0.39
    assert set(home.runtime.channels) == {"pigeon"}


def broken() -> bool:
    raise SystemExit(1)


def slow() -> bool:
    time.sleep(3)
    return True


@pytest.mark.parametrize(
    ("healthy", "told"), [(broken, "SystemExit"), (slow, "no result after 0.2 s"), (lambda: "yes", "returned str")]
)
def test_a_channel_whose_health_cannot_be_told_is_unhealthy_at_once(
    make_two: Callable[..., Mentee], serve_home: ServeHome, healthy: Any, told: str
) -> None:
    home = serve_home(make_two(make_plugin(), register_channels=lambda: [Pigeon(healthy=healthy)]))
    began = time.monotonic()
    ready = httpx2.get(f"{home.url}/readyz")
    assert time.monotonic() - began < 2
    assert ready.status_code == 503
    assert told in ready.json()["parts"]["channel pigeon"]


@pytest.mark.parametrize("stop", [raises, leaves, hangs, starts_at_once])
def test_a_part_that_does_not_stop_holds_up_nothing(
    make_two: Callable[..., Mentee], serve_home: ServeHome, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    monkeypatch.setattr("bot.server.lifespan.CHANNELS_SECONDS", 0.3)
    well, bad = Pigeon("owl"), Pigeon(stop=stop)
    home = serve_home(make_two(make_plugin(register_channels=lambda: [well]), register_channels=lambda: [bad]))
    began = time.monotonic()
    home.stop()
    assert time.monotonic() - began < 5
    assert well.log == ["start", "stop"]


@pytest.mark.parametrize("made", [["x"], [Pigeon(name="")], "x", 3])
def test_what_is_no_channel_or_service_is_named(
    make_two: Callable[..., Mentee], serve_home: ServeHome, made: Any
) -> None:
    hooks = {"register_channels": lambda: made, "register_services": lambda: made}
    home = serve_home(make_two(make_plugin(), **hooks))
    assert httpx2.get(f"{home.url}/readyz").status_code == 200
    wait_until(lambda: "bad" in home.mentee.plugins.problems)


def test_a_name_that_another_plugin_has_is_refused(make_two: Callable[..., Mentee], serve_home: ServeHome) -> None:
    well, bad = Pigeon("owl"), Pigeon("owl")
    home = serve_home(make_two(make_plugin(register_channels=lambda: [well]), register_channels=lambda: [bad]))
    assert (well.log, bad.log) == (["start"], [])
    wait_until(lambda: "bad" in home.mentee.plugins.problems)
    assert "the channel 'owl' is already that of the plugin 'well'" in home.mentee.plugins.problems["bad"]


def test_parts_follow_the_switch_of_their_plugin(make_two: Callable[..., Mentee], serve_home: ServeHome) -> None:
    made: list[Pigeon] = []

    def make() -> list[Pigeon]:
        made.append(Pigeon())
        return [made[-1]]

    mentee = make_two(make_plugin(), register_channels=make)
    mentee.plugins.states.switch("bad", "", enabled=False, actor="test")
    home = serve_home(mentee)
    assert not made
    mentee.plugins.states.switch("bad", "", enabled=True, actor="test")
    wait_until(lambda: set(home.runtime.channels) == {"pigeon"})
    mentee.plugins.states.switch("bad", "", enabled=False, actor="test")
    wait_until(lambda: made[0].log == ["start", "stop"])
    assert not set(home.runtime.channels)
    assert home.runtime.channels["pigeon"] is made[0]  # for what is under way
    mentee.plugins.states.switch("bad", "", enabled=True, actor="test")
    wait_until(lambda: len(made) == 2 and made[1].log == ["start"])


async def test_what_a_plugin_raises_never_ends_the_loop() -> None:
    assert isinstance(await stopping.outcome(leaves, 1), SystemExit)
    assert isinstance(await stopping.outcome(hangs, 0.05), TimeoutError)
