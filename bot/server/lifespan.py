"""What runs as long as the server: channels, the engine, the message workers and plugins' services."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import MenteeError, SettingsError
from bot.server.parts import Parts
from bot.server.stopping import stop_parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.app import Mentee
    from bot.delivery.messages import MessageWorkers
    from bot.domain.ports import Channel

QUEUES = ("gpu",)
"""The queues that ``mentee serve`` works on; ``mentee worker --queue`` chooses."""

SWITCH_SECONDS = 0.001
"""How long a busy thread keeps the interpreter from the next. The thread that acknowledges waits so long for each that
answers: with Python's 5 ms the slowest of a burst waited up to half as long again (benchmarks/slack_ack.py)."""

CHANNELS_SECONDS = 3.0
"""How long channels may take to stop accepting."""

HAND_BACK_SECONDS = 2.0
"""How long it may take, after the drain limit, to hand back what is not finished."""

ENGINE_SECONDS = 2.0
"""How long the engine may take to free the model, which the end of the process frees anyway."""

log = structlog.get_logger(__name__)


class Runtime:
    """Starts everything in an order that loses no message, and stops it in reverse.

    Channels accept from the first moment (what they accept is in the inbox); answering begins when the model is loaded.

    :param queues: queues of background work served by this process.
    :param messages: whether channels, the workers of questions and answers, and jobs run here.
    :param on_failure: told when Slack is misconfigured, which is raised without it, or the engine cannot be loaded.
        If it returns, the runtime is not ready.
    """

    def __init__(
        self,
        mentee: Mentee,
        *,
        queues: Sequence[str] = QUEUES,
        messages: bool = True,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._mentee = mentee
        self._queues = tuple(queues)
        self._messages = messages
        self._on_failure = on_failure
        self._jobs = mentee.jobs() if messages else None
        self._workers: MessageWorkers | None = None
        self._loading: asyncio.Task[None] | None = None
        self.engine_state = "starting" if messages else "not used"
        plugins = mentee.plugins
        ask: dict[str, Callable[[str], Sequence[Any]]] = {
            "service": lambda plugin: plugins.register_services(mentee, self._queues, plugin)
        }
        if messages:
            ask = {"channel": lambda plugin: plugins.register_channels(mentee, plugin)} | ask
        self._parts = Parts(plugins, ask)

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The channels that run, by name."""
        return self._parts.channels

    async def start(self) -> None:
        """Start the channels and services, and begin to load the model; returns before it is loaded."""
        self._mentee.running_engine.bind()
        if self._messages:
            sys.setswitchinterval(SWITCH_SECONDS)
        try:
            await self._parts.start()
        except SettingsError as error:
            if self._on_failure is None:
                raise
            self._on_failure(error)
            return
        if self._jobs is not None:
            self._loading = asyncio.create_task(self._load())
            await self._jobs.start()

    async def stop(self) -> None:
        """Stop accepting, let what runs finish within the drain limit, hand back the rest.

        No part that hangs keeps the others from stopping, or this from returning soon after the limit.
        """
        until = time.monotonic() + self._mentee.settings.limits.drain_seconds
        self.end_streams()
        await self._parts.end("channel", CHANNELS_SECONDS)
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading], timeout=CHANNELS_SECONDS)
        left = max(0.0, until - time.monotonic())
        stopping: dict[str, Callable[[], Awaitable[object]]] = {}
        if self._jobs is not None:
            stopping["jobs"] = partial(self._jobs.stop, left)
        if self._workers is not None:
            stopping["messages"] = partial(self._workers.stop, left)
        services = self._parts.end("service", left + HAND_BACK_SECONDS)
        await asyncio.gather(services, stop_parts(stopping, left + HAND_BACK_SECONDS))
        await stop_parts({"engine": self._mentee.stop_engine}, ENGINE_SECONDS)

    def end_streams(self) -> None:
        """Disconnect browsers that watch an answer. They reconnect and find the stored answer."""
        self._mentee.answer_events.close()

    def state(self) -> dict[str, str]:
        """Return the state of each part, ``ok`` when it works, for ``/readyz``. Blocking: asks the database."""
        parts = {
            "database": "ok" if self._mentee.store.writable() else "cannot be written",
            "engine": self.engine_state,
        }
        return parts | self._parts.states()

    def warnings(self) -> list[str]:
        """Return what works only partly, for ``/readyz``, which everybody may see. Blocking: asks the database."""
        count = len(self._mentee.active_adapters.problems()) if self._messages else 0
        if not count:
            return []
        return [f"{count} champion adapter{'s' * (count > 1)} can't be used. Run `mentee doctor` for details."]

    async def _load(self) -> None:
        started = time.perf_counter()
        try:
            await self._mentee.pipeline.start()
        except (Exception, SystemExit) as error:
            self.engine_state = "failed"
            log.exception("engine_failed")
            if self._on_failure is not None:
                self._on_failure(error)
            return
        self._workers = self._mentee.message_workers(self.channels)
        await self._workers.start()
        with suppress(MenteeError, SQLAlchemyError):
            await asyncio.to_thread(self._mentee.active_adapters.problems)  # logs each problem
        self.engine_state = "ok"
        log.info("ready", seconds=round(time.perf_counter() - started, 1))
