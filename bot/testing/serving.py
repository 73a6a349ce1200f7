"""A real server for tests: the ``serve_home`` fixture serves an instance on a free port of loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from bot.server.app import build_app
from bot.server.lifespan import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import uvicorn

    from bot.app import Mentee

START_SECONDS = 20


@dataclass(slots=True)
class ServedHome:
    """A served instance. ``url`` has no trailing slash."""

    mentee: Mentee
    url: str
    runtime: Runtime
    server: uvicorn.Server = field(repr=False)
    thread: threading.Thread = field(repr=False)

    def stop(self) -> None:
        """Drain and stop, as on SIGTERM."""
        self.server.should_exit = True
        self.thread.join(timeout=START_SECONDS)
        assert not self.thread.is_alive(), "the server did not stop"


class ServeHome(Protocol):
    """The type of the ``serve_home`` fixture."""

    def __call__(self, mentee: Mentee, *, ready: bool = True) -> ServedHome:
        """Serve an opened instance until the test ends; with ``ready``, return once it can answer questions."""


@pytest.fixture
def serve_home() -> Iterator[ServeHome]:
    """Return a function that serves an instance; see :class:`ServeHome`."""
    with serving() as serve:
        yield serve


@contextmanager
def serving() -> Generator[ServeHome, None, None]:
    """Give a function that serves instances, for fixtures of a wider scope; they are stopped at the end."""
    served: list[ServedHome] = []

    def serve(mentee: Mentee, *, ready: bool = True) -> ServedHome:
        home = _served(mentee)
        served.append(home)
        _wait(lambda: home.server.started and (not ready or home.runtime.engine_state == "ok"))
        return home

    try:
        yield serve
    finally:
        for home in served:
            home.stop()


def _served(mentee: Mentee) -> ServedHome:
    from bot.cli.commands.serve import stoppable
    from bot.server.connections import server_config

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    runtime = Runtime(mentee)
    server = stoppable(server_config(build_app(mentee, runtime), mentee.settings.web), runtime)

    def run() -> None:
        with closing(listener):
            asyncio.run(server._serve(sockets=[listener]))  # noqa: SLF001 - serve() would take over the signals

    thread = threading.Thread(target=run, name="served-home")
    thread.start()
    return ServedHome(mentee, f"http://127.0.0.1:{listener.getsockname()[1]}", runtime, server, thread)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
