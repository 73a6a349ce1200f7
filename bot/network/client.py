"""An HTTP client for addresses that somebody else chose, such as a plugin's settings or a page that was linked.

It reaches public addresses only, and those that the operator allows. A name is looked up once for each connection and
the connection goes to the address that was checked, so a name that changes in between gains nothing. Every redirect is
checked like the first request. Time, size and the number of redirects are limited.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import httpx2

from bot.domain.errors import FetchError, TooLargeError
from bot.network.deadline import remaining, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bot.network.addresses import Addresses

KEPT_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "content-length"})
"""Headers that follow a redirect to another server; any other may be a credential."""

REDIRECT = range(300, 400)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of one request, redirects included.

    :param connect: seconds to connect; ``read`` is the longest silence, and ``total`` the longest time for everything.
    :param response_bytes: size of a response, also after decompression.
    """

    connect: float = 5.0
    read: float = 10.0
    total: float = 30.0
    response_bytes: int = 5_000_000
    redirects: int = 5
    connections: int = 10


class GuardedClient:
    """Sends requests. Blocking, safe to share between threads. Close it at the end.

    :param name: who sends, for the User-Agent.
    """

    def __init__(self, addresses: Addresses, name: str, limits: HttpLimits | None = None) -> None:
        self._limits = limits or HttpLimits()
        pool = httpx2.Limits(max_connections=self._limits.connections)
        transport = httpx2.HTTPTransport(trust_env=False, limits=pool)
        backend = transport._pool._network_backend  # noqa: SLF001 - no public way in
        transport._pool._network_backend = _CheckedNetwork(backend, addresses)  # type: ignore[assignment]  # noqa: SLF001 - as above
        self._client = httpx2.Client(
            transport=transport,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": name, "Accept-Encoding": "gzip"},
            timeout=httpx2.Timeout(self._limits.read, connect=self._limits.connect),
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(self, method: str, url: str, *, seconds: float | None = None, **parts: Any) -> httpx2.Response:
        """Send a request, follow its redirects and return the whole response, whatever its status.

        :param seconds: longest time for everything, if shorter than the client's.
        :param parts: ``headers``, ``params``, ``json``, ``data``, ``content`` and ``auth``, as httpx2 takes them.
        :raises FetchError: the address may not be reached, or there was no whole response in time.
        :raises TooLargeError: the response is too large.
        """
        auth = parts.pop("auth", httpx2.USE_CLIENT_DEFAULT)
        with within(min(self._limits.total, seconds or self._limits.total)):
            try:
                request = self._client.build_request(method, url, **parts)
                return self._follow(request, auth)
            except httpx2.TimeoutException:
                raise FetchError(f"{_shown(url)} did not respond in time.", hint="Try again later.") from None
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise FetchError(
                    f"Can't fetch {_shown(url)}: {type(error).__name__}.", hint="Check the address and the network."
                ) from None

    def _follow(self, request: httpx2.Request, auth: Any) -> httpx2.Response:
        for _ in range(self._limits.redirects + 1):
            if request.url.scheme not in ("http", "https"):
                raise FetchError(f"{_shown(request.url)} is not an http or https address.", hint="Check the address.")
            response = self._client.send(request, stream=True, auth=auth, follow_redirects=False)
            try:
                following = response.next_request if response.status_code in REDIRECT else None
                if following is None:
                    return self._read(response)
            finally:
                response.close()
            if _origin(following.url) != _origin(request.url):
                for header in set(following.headers) - KEPT_HEADERS - {"host", "user-agent", "connection"}:
                    del following.headers[header]
                auth = None
            request = following
        raise FetchError(
            f"{_shown(request.url)} redirects more than {self._limits.redirects} times.", hint="Check the address."
        )

    def _read(self, response: httpx2.Response) -> httpx2.Response:
        limit, url = self._limits.response_bytes, _shown(response.url)
        body = b"".join(_bounded(response.iter_raw(), limit, url))
        if response.headers.get("content-encoding", "identity") in ("gzip", "x-gzip"):
            body = _unpacked(body, limit, url)
        elif response.headers.get("content-encoding", "identity") != "identity":
            raise FetchError(f"{url} responded in an encoding that Mentee didn't ask for.", hint="Use another address.")
        headers = [(k, v) for k, v in response.headers.multi_items() if k not in ("content-encoding", "content-length")]
        return httpx2.Response(response.status_code, headers=headers, content=body, request=response.request)


class _CheckedNetwork:
    """Connects to addresses that were checked (a network backend of httpcore2)."""

    def __init__(self, inner: Any, addresses: Addresses) -> None:
        self._inner = inner
        self._addresses = addresses

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _TimedStream:
        ends = time.monotonic() + min(_left(), timeout or float("inf"))
        found = self._addresses.resolve(host, port, ends - time.monotonic())
        for address in found[:-1]:
            try:
                return _TimedStream(self._inner.connect_tcp(address, port, (ends - time.monotonic()) / 2, **more))
            except Exception:  # noqa: BLE001, S112 - the next address may do
                continue
        return _TimedStream(self._inner.connect_tcp(found[-1], port, max(ends - time.monotonic(), 0.01), **more))

    def connect_unix_socket(self, *_: Any, **__: Any) -> None:
        raise FetchError("Unix sockets can't be reached.", hint="Use an http or https address.")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _TimedStream:
    """A connection whose every step ends with the request's time, so that a slow drip gains nothing."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._inner.read(max_bytes, min(_left(), timeout or float("inf")))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, min(_left(), timeout or float("inf")))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        limit = min(_left(), timeout or float("inf"))
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left() -> float:
    left = remaining()
    if left <= 0:
        raise httpx2.ReadTimeout("The time is over.")
    return left


def _bounded(pieces: Iterable[bytes], limit: int, url: str) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise _too_large(url, limit)
        yield piece


def _unpacked(body: bytes, limit: int, url: str) -> bytes:
    try:
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        text = unpacking.decompress(body, limit + 1)
    except zlib.error:
        raise FetchError(f"The response of {url} can't be decompressed.", hint="Try again later.") from None
    if len(text) > limit:
        raise _too_large(url, limit)
    return text


def _too_large(url: str, limit: int) -> TooLargeError:
    return TooLargeError(f"The response of {url} has more than {limit:,} bytes.", hint="Ask for less.")


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: httpx2.URL | str) -> str:
    """Return an address without what may be secret: the user, the password and the query."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        return "the address"
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))
