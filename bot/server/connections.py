"""How connections are served: uvicorn's settings, for `mentee serve` and for tests alike.

Whoever opens connections and sends nothing, or half a request, must not keep others out: a request has to arrive in
time, and when too many connections are open, the one that has waited longest for its request is closed.
"""

from __future__ import annotations

import resource
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.server.stopping import CONNECTIONS_SECONDS

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

    from bot.config.core import WebSettings

REQUEST_SECONDS = 20.0
"""How long a request may take to arrive, headers and body."""

MAX_CONNECTIONS = 1_000
RESERVE = 100
"""Connections beyond the maximum that are accepted when all others are in use, so that probes get an answer."""

OTHER_FILES = 400
"""Open files left to everything else in the process."""


def server_config(app: ASGIApp, web: WebSettings) -> uvicorn.Config:
    """Return uvicorn's settings: quiet, and believing ``X-Forwarded-For`` from the configured proxies only."""
    crowd = Crowd(min(MAX_CONNECTIONS, max(RESERVE, _allowed_files() - OTHER_FILES - RESERVE)))
    return uvicorn.Config(
        app,
        http=partial(Connection, crowd),  # type: ignore[arg-type] # uvicorn only calls it
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=CONNECTIONS_SECONDS,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=[*web.trusted_proxies],
    )


class Crowd:
    """The connections of a server that wait for a request, longest first.

    :param limit: of all connections, those that wait and those that are answered.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: dict[Connection, None] = {}

    def join(self, connection: Connection) -> None:
        """Note that a connection begins to wait."""
        self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """Note that a connection waits no longer."""
        self._waiting.pop(connection, None)

    def make_room(self, newest: Connection) -> None:
        """Close connections that wait until the newest is within the limit; else the newest, if the reserve is full."""
        over = len(newest.connections) - self.limit
        for connection in [each for each, _ in zip(self._waiting, range(over), strict=False) if each is not newest]:
            connection.drop()
        if len(newest.connections) > self.limit + RESERVE:
            newest.drop()


class Connection(H11Protocol):
    """A connection whose requests must arrive within :data:`REQUEST_SECONDS`."""

    def __init__(self, crowd: Crowd, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._crowd = crowd
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._wait()
        self._crowd.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._idle():
            self._wait()
        super().data_received(data)
        upgraded = self not in self.connections
        if upgraded or not (self._idle() or self.cycle.more_body):
            self._wait_no_longer()

    def on_response_complete(self) -> None:
        self._wait_no_longer()
        super().on_response_complete()  # waits for the next request for a time of its own
        if not self.transport.is_closing():
            self._crowd.join(self)

    def drop(self) -> None:
        """Close the connection at once, whatever is under way."""
        self._wait_no_longer()
        self.connections.discard(self)
        self.transport.abort()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.drop)
        self._crowd.join(self)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._crowd.leave(self)


def _allowed_files() -> int:
    """Raise this process's limit of open files as far as it may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * (MAX_CONNECTIONS + RESERVE + OTHER_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
