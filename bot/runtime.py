"""What lives as long as the server: channels, the engine, the message workers and the plugins' services."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import structlog

from bot.errors import MenteeError
from bot.followups import Followups
from bot.workers import MessageWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.app import Mentee
    from bot.protocols import Channel, Service

QUEUES = ("gpu",)
"""The queues that ``mentee serve`` works on; ``mentee worker --queue`` chooses."""

SWITCH_SECONDS = 0.001
"""How long a busy thread keeps the interpreter from the next. The thread that acknowledges waits so long for each that
answers: with Python's 5 ms the slowest of a burst waited up to half as long again (benchmarks/slack_ack.py)."""

DOWN_SECONDS = 60.0
"""A channel may be away this long, as sockets are refreshed, before the server calls itself not ready."""

log = structlog.get_logger(__name__)


class Runtime:
    """Starts everything in an order in which nothing is lost, and stops it in reverse.

    Channels accept from the first moment (what they accept is in the inbox); answering begins when the model is loaded.

    :param queues: queues of background work served by this process.
    :param messages: whether channels and the workers of questions and answers run here.
    :param on_failure: told when a channel is set up wrongly or the engine cannot be loaded. Without it the first
        is raised and the second leaves the runtime not ready.
    """

    def __init__(
        self,
        mentee: Mentee,
        *,
        queues: Sequence[str] = QUEUES,
        messages: bool = True,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._mentee = mentee
        self._queues = tuple(queues)
        self._messages = messages
        self._on_failure = on_failure
        self.channels: dict[str, Channel] = {}
        self._services: list[Service] = []
        self._workers: MessageWorkers | None = None
        self._loading: asyncio.Task[None] | None = None
        self._down_since: dict[str, float] = {}
        self.engine_state = "starting" if messages else "not used"

    async def start(self) -> None:
        """Start the channels and services, and begin to load the model; returns before it is loaded."""
        plugins = self._mentee.plugins
        if self._messages:
            sys.setswitchinterval(SWITCH_SECONDS)
            for _, channels in plugins.values("register_channels", mentee=self._mentee):
                self.channels |= {channel.name: channel for channel in channels}
            if not await self._start_channels():
                return
            self._loading = asyncio.create_task(self._load())
            await self._serve(Followups(self._mentee))
        for _, services in plugins.values("register_services", mentee=self._mentee, queues=self._queues):
            for service in services:
                await self._serve(service)

    async def _serve(self, service: Service) -> None:
        await service.start()
        self._services.append(service)

    async def _start_channels(self) -> bool:
        """Start the channels; one that is set up wrongly ends the start, as told to ``on_failure``."""
        try:
            for channel in self.channels.values():
                await channel.start()
        except MenteeError as error:
            if self._on_failure is None:
                raise
            self._on_failure(error)
            return False
        return True

    async def stop(self) -> None:
        """Stop accepting, let what runs finish within the drain limit, hand back the rest."""
        self.end_streams()
        for channel in self.channels.values():
            await self._quietly(channel.name, channel.stop())
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        stopping = [self._quietly(service.name, service.stop()) for service in reversed(self._services)]
        if self._workers is not None:
            stopping.append(self._quietly("messages", self._workers.stop()))
        await asyncio.gather(*stopping)
        await self._quietly("engine", self._mentee.pipeline.stop() if self._messages else asyncio.sleep(0))

    def end_streams(self) -> None:
        """Let browsers that watch an answer go; they come back by themselves and find the stored answer."""
        self._mentee.streams.close()

    def state(self) -> dict[str, str]:
        """Return the state of each part, ``ok`` when it works, for ``/readyz``. Blocking: asks the database."""
        parts = {
            "database": "ok" if self._mentee.store.writable() else "cannot be written",
            "engine": self.engine_state,
        }
        return parts | {f"channel {name}": self._channel_state(channel) for name, channel in self.channels.items()}

    def _channel_state(self, channel: Channel) -> str:
        if channel.healthy():
            self._down_since.pop(channel.name, None)
            return "ok"
        down = time.monotonic() - self._down_since.setdefault(channel.name, time.monotonic())
        return "ok" if down < DOWN_SECONDS else f"down for {down:.0f} s"

    async def _load(self) -> None:
        started = time.perf_counter()
        try:
            await self._mentee.pipeline.start()
        except Exception as error:
            self.engine_state = "failed"
            log.exception("engine_failed")
            if self._on_failure is not None:
                self._on_failure(error)
            return
        self._workers = MessageWorkers(self._mentee, self.channels)
        await self._workers.start()
        self.engine_state = "ok"
        log.info("ready", seconds=round(time.perf_counter() - started, 1))

    async def _quietly(self, name: str, stopping: object) -> None:
        try:
            await stopping  # type: ignore[misc] # a coroutine; one part that fails to stop must not keep the others from it
        except Exception:
            log.exception("stop_failed", part=name)
