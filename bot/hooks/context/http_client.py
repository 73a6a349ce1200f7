"""HTTP requests of plugins: one pool of connections for each plugin, and no more time than the hook has."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from bot.domain.errors import FetchError
from bot.network.addresses import Addresses
from bot.network.client import GuardedClient
from bot.network.deadline import remaining

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

THREADS = 8
"""Requests of one plugin that wait at the same time without blocking the event loop."""

MARGIN = 0.1
"""Seconds of a hook that are left for it after a request that took too long."""


class PluginHttp:
    """Sends HTTP requests, for example to a ticket system.

    It reaches public addresses only; operators can allow others with ``network.allow``. A request ends before your
    hook's time limit, after 30 s at most, and with an error if the response has more than 5 MB or redirects more than
    5 times. Cookies aren't kept. Responses are those of httpx2, whatever their status: call ``raise_for_status()``.

    The methods with ``a`` are for async code. ``parts`` are ``headers``, ``params``, ``json``, ``data``, ``content``
    and ``auth``.
    """

    def __init__(self, client: GuardedClient, threads: ThreadPoolExecutor) -> None:
        self._client = client
        self._threads = threads

    def request(self, method: str, url: str, *, seconds: float | None = None, **parts: Any) -> httpx2.Response:
        """Send a request and return the whole response. Blocking.

        :param seconds: longest time for everything, if shorter than the limits above.
        :raises FetchError: the address may not be reached, or there was no whole response in time.
        :raises TooLargeError: the response is too large.
        """
        left = remaining() - MARGIN
        if left <= 0:
            raise FetchError(
                "The hook has no time left for a request.",
                hint="Request less, or make the request in a job or a service.",
            )
        return self._client.request(method, url, seconds=min(left, seconds or left), **parts)

    def get(self, url: str, **parts: Any) -> httpx2.Response:
        """Send a GET request; see :meth:`request`."""
        return self.request("GET", url, **parts)

    def post(self, url: str, **parts: Any) -> httpx2.Response:
        """Send a POST request; see :meth:`request`."""
        return self.request("POST", url, **parts)

    async def arequest(self, method: str, url: str, **parts: Any) -> httpx2.Response:
        """Await :meth:`request`."""
        call = partial(contextvars.copy_context().run, self.request, method, url, **parts)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def aget(self, url: str, **parts: Any) -> httpx2.Response:
        """Await :meth:`get`."""
        return await self.arequest("GET", url, **parts)

    async def apost(self, url: str, **parts: Any) -> httpx2.Response:
        """Await :meth:`post`."""
        return await self.arequest("POST", url, **parts)


class HttpClients:
    """The clients of all plugins of an instance, each made when first used.

    :param allowed: networks that may be reached although they aren't public.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = allowed
        self._open: dict[str, tuple[GuardedClient, ThreadPoolExecutor]] = {}
        self._lock = threading.Lock()

    def of(self, plugin: str) -> PluginHttp:
        """Return the client of a plugin."""
        with self._lock:
            if plugin not in self._open:
                client = GuardedClient(Addresses(self._allowed), f"Mentee/{version('mentee')} ({plugin})")
                self._open[plugin] = client, ThreadPoolExecutor(THREADS, thread_name_prefix=f"http of {plugin}")
            return PluginHttp(*self._open[plugin])

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client, threads in self._open.values():
                threads.shutdown(wait=False, cancel_futures=True)
                client.close()
            self._open.clear()
