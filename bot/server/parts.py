"""The channels and services of plugins: started with a limit, tried again, and stopped when their plugin is off.

What a plugin's part raises, or how long it takes, is that plugin's failure and nobody else's. A part that did not start
is tried again, each time after a longer pause. A plugin that is switched on again is asked for new parts.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from bot.domain.errors import MenteeError, SettingsError
from bot.hooks.calling.errors import CallError
from bot.hooks.workers import Workers
from bot.server.blocking import watching
from bot.server.stopping import outcome, stop_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.ports import Channel
    from bot.hooks.host import PluginHost

START_SECONDS = 10.0
"""How long ``start()`` of a channel or service may take."""

BLOCKED_SECONDS = START_SECONDS + 1
"""After how long a ``start()`` that blocks the event loop is named: nothing ends it."""

FIRST_SECONDS = 2.0
"""How long the server waits for parts before it goes on; they go on starting meanwhile."""

LOOK_SECONDS = 1.0
"""How often the switches of plugins are looked at."""

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
"""The first and the longest pause before a part is started again; each is twice the one before."""

STOP_SECONDS = 3.0
"""How long ``stop()`` of a part whose plugin is switched off is waited for."""

HEALTH_SECONDS = 2.0
"""How long ``healthy()`` may take."""

DOWN_SECONDS = 60.0
"""A channel may be down this long, while its socket is refreshed, before the server is not ready."""

HOOKS = {"channel": "register_channels", "service": "register_services"}

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Part:
    """A channel or a service of a plugin, and what became of it.

    :param state: ``starting``, ``ok``, or why it did not start.
    """

    plugin: str
    kind: str
    name: str
    made: Any
    state: str = "starting"
    down_since: float | None = None
    starting: asyncio.Task[None] | None = field(default=None, repr=False)
    settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    asked: Workers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.asked = Workers(size=2, replaceable=2)

    def health(self) -> str:
        """Return ``ok``, or what is wrong with a channel. Blocking, for :data:`HEALTH_SECONDS` at most."""
        if self.state != "ok":
            return self.state
        try:
            well = self.asked.call(self.plugin, lambda: self.made.healthy(), HEALTH_SECONDS)  # noqa: PLW0108 - looked up in the guarded call
        except CallError as error:
            return f"unhealthy: healthy(): {error}"
        if well is True:
            self.down_since = None
            return "ok"
        if well is not False:
            return f"unhealthy: healthy() returned {type(well).__name__}, not bool"
        self.down_since = self.down_since or time.monotonic()
        down = time.monotonic() - self.down_since
        return "ok" if down < DOWN_SECONDS else f"down for {down:.0f} s"


class Channels(Mapping[str, "Channel"]):
    """The channels by name: iterating yields those that run now, while what is under way still finds one that went."""

    def __init__(self) -> None:
        self._known: dict[str, Channel] = {}
        self._running: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Channel:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._running)

    def __len__(self) -> int:
        return len(self._running)

    def add(self, name: str, channel: Channel) -> None:
        """Take up a channel that has started."""
        self._known[name] = channel
        self._running = (*self._running, name)

    def remove(self, name: str) -> None:
        """Let go of a channel: nothing new is answered or delivered by it."""
        self._running = tuple(each for each in self._running if each != name)


class Parts:
    """Starts the parts that plugins bring and follows the switches of the plugins.

    :param ask: by kind, what returns the parts that one plugin brings; blocking.
    """

    def __init__(self, plugins: PluginHost, ask: Mapping[str, Callable[[str], Sequence[Any]]]) -> None:
        self._plugins = plugins
        self._ask = ask
        self._asked: set[tuple[str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._refused: SettingsError | None = None
        self.parts: list[Part] = []
        self.channels = Channels()

    async def start(self) -> None:
        """Start all parts; return when they have started, or after :data:`FIRST_SECONDS`.

        :raises SettingsError: a part of Mentee's own is misconfigured, which the operator can mend before serving.
        """
        first = asyncio.Event()
        self._tasks = [asyncio.create_task(self._follow(first))]
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await first.wait()
                for part in [*self.parts]:
                    await part.settled.wait()
        if self._refused is not None:
            raise self._refused

    async def end(self, kind: str, seconds: float) -> None:
        """Stop the parts of a kind side by side, and start none any more.

        A channel accepts nothing more, but what was accepted is still answered and delivered.
        """
        for task in self._tasks:
            task.cancel()
        await self._stop([part for part in reversed(self.parts) if part.kind == kind], seconds, drain=True)

    def states(self) -> dict[str, str]:
        """Return the state of each channel, ``ok`` when it works. Blocking: asks the channels."""
        return {f"channel {part.name}": part.health() for part in [*self.parts] if part.kind == "channel"}

    async def _follow(self, first: asyncio.Event) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("parts_turn_failed")  # the database may be away for a while
            first.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def _turn(self) -> None:
        wanted = await self._plugins.run(self._wanted)
        gone = [part for part in self.parts if (part.kind, part.plugin) not in wanted]
        self._asked.intersection_update(wanted)
        if gone:
            log.info("parts_of_plugins_that_are_off", parts=[f"{part.kind} {part.name}" for part in gone])
            await self._stop(gone, STOP_SECONDS)
        new = [each for each in wanted if each not in self._asked]
        self._asked.update(new)
        brought = await asyncio.gather(*(self._plugins.run(self._ask[kind], plugin) for kind, plugin in new))
        for (kind, plugin), made in zip(new, brought, strict=True):
            for each in made:
                await self._take_up(kind, plugin, each)

    def _wanted(self) -> list[tuple[str, str]]:
        states = self._plugins.states
        return [
            (kind, plugin)
            for kind in self._ask
            for plugin in self._plugins.implementing(HOOKS[kind])
            if states.enabled(plugin, None)
        ]

    async def _take_up(self, kind: str, plugin: str, made: Any) -> None:
        name = getattr(made, "name", None)
        taken = next((part for part in self.parts if (part.kind, part.name) == (kind, name)), None)
        if not isinstance(name, str) or not name:
            await self._failed(plugin, HOOKS[kind], f"{type(made).__name__}.name is {name!r}, not a text that names it")
        elif kind == "channel" and taken is not None:
            await self._failed(
                plugin, HOOKS[kind], f"the channel {name!r} is already that of the plugin {taken.plugin!r}"
            )
        else:
            part = Part(plugin, kind, name, made)
            self.parts.append(part)
            part.starting = asyncio.create_task(self._start(part))

    async def _start(self, part: Part) -> None:
        pause = RETRY_SECONDS
        while (error := await self._begin(part)) is not None:
            if isinstance(error, SettingsError) and self._plugins.loaded[part.plugin].origin == "built in":
                self._refused = self._refused or error
                part.settled.set()
                return
            problem = told(error)
            again = part.state != "starting"
            part.state = f"not started: {problem}"
            part.settled.set()
            trace = None if isinstance(error, MenteeError | TimeoutError) else error
            log.error(
                "part_not_started",
                plugin=part.plugin,
                part=f"{part.kind} {part.name}",
                problem=problem,
                retry=pause,
                exc_info=trace,
            )
            if not again:
                await self._failed(part.plugin, f"start() of the {part.kind} {part.name!r}", problem, trace)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
        part.state = "ok"
        part.settled.set()
        if part.kind == "channel":
            self.channels.add(part.name, part.made)

    async def _begin(self, part: Part) -> BaseException | None:
        """Start a part; return what it raised. One that blocks the event loop can't be given up, but it is named."""

        def begin() -> Any:
            return part.made.start()  # looked up in the guarded call

        with watching(begin, BLOCKED_SECONDS, partial(self._blocks, part)):
            return await outcome(begin, START_SECONDS)

    def _blocks(self, part: Part, where: str) -> None:
        problem = "blocks the event loop, so nothing else runs here. Use asyncio.to_thread for what takes time"
        log.error("part_blocks", plugin=part.plugin, part=f"{part.kind} {part.name}", problem=problem, traceback=where)
        self._plugins.failed(part.plugin, f"start() of the {part.kind} {part.name!r}", problem, where)

    async def _stop(self, parts: Sequence[Part], seconds: float, *, drain: bool = False) -> None:
        for part in parts:
            self.parts.remove(part)
            part.asked.close()
            if part.starting is not None:
                part.starting.cancel()
            if part.kind == "channel" and not drain:
                self.channels.remove(part.name)
        await stop_parts({f"{part.kind} {part.name}": part.made.stop for part in parts if part.state == "ok"}, seconds)

    async def _failed(self, plugin: str, what: str, problem: str, trace: BaseException | None = None) -> None:
        lines = "".join(traceback.format_exception(trace)) if trace else ""
        await self._plugins.run(self._plugins.failed, plugin, what, problem, lines)


def told(error: BaseException) -> str:
    """Return an error as it is told to operators."""
    if isinstance(error, MenteeError):
        return f"{error.text} {error.hint}".strip()
    return str(error) if isinstance(error, TimeoutError) and error.args else f"{type(error).__name__}: {error}"
