"""The guarded client: what it doesn't reach, however it is asked, and what its limits cut off."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import FetchError, SettingsError, TooLargeError
from bot.network.addresses import Addresses
from bot.network.client import GuardedClient, HttpLimits
from bot.network.deadline import within

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = ("127.0.0.1/32",)
LIMITS = HttpLimits(connect=1, read=1, total=2, response_bytes=100_000, redirects=3)


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str]]]

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        name = self.path.partition("?")[0].strip("/")
        with suppress(OSError):  # the client hung up
            getattr(self, f"send_{name}")()

    def _begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send_fine(self) -> None:
        self._begin(200, Content_Length="4", Set_Cookie="a=b; Path=/")
        self.wfile.write(b"fine")

    def send_endless(self) -> None:
        self._begin(302, Location="/endless", Content_Length="0")

    def send_to(self) -> None:
        self._begin(302, Location=self.path.partition("?")[2], Content_Length="0")

    def send_huge(self) -> None:
        self._begin(200)
        for _ in range(1000):
            self.wfile.write(b"x" * 10_000)

    def send_bomb(self) -> None:
        body = gzip.compress(b"\0" * 50_000_000)
        self._begin(200, Content_Encoding="gzip", Content_Length=str(len(body)))
        self.wfile.write(body)

    def send_packed(self) -> None:
        body = gzip.compress(b"packed")
        self._begin(200, Content_Encoding="gzip", Content_Length=str(len(body)))
        self.wfile.write(body)

    def send_drip(self) -> None:
        self._begin(200, Content_Length="1000")
        for _ in range(60):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.2)

    def send_slow_headers(self) -> None:
        for _ in range(60):
            self.wfile.write(b"H")
            self.wfile.flush()
            time.sleep(0.2)


@contextmanager
def serving() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    seen: list[tuple[str, dict[str, str]]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"seen": seen}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def site() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    with serving() as found:
        yield found


@contextmanager
def client(*allowed: str) -> Iterator[GuardedClient]:
    made = GuardedClient(Addresses(allowed), "Mentee/1 (test)", LIMITS)
    yield made
    made.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_that_arent_public_cant_be_reached(address: str) -> None:
    assert not Addresses().reachable(ipaddress.ip_address(address))


def test_public_addresses_and_allowed_networks_can() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"):
        assert Addresses().reachable(ipaddress.ip_address(address))
    allowing = Addresses(["10.20.0.0/16"])
    assert allowing.reachable(ipaddress.ip_address("10.20.3.4"))
    assert allowing.reachable(ipaddress.ip_address("::ffff:10.20.3.4"))
    assert not allowing.reachable(ipaddress.ip_address("10.21.3.4"))
    with pytest.raises(SettingsError, match=r"network\.allow"):
        Addresses(["ten"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_not_reached_however_it_is_written(site: Any, host: str) -> None:
    url, seen = site
    with client() as guarded, pytest.raises(FetchError):
        guarded.request("GET", url.replace("127.0.0.1", host) + "/fine")
    assert seen == []


def test_a_redirect_is_checked_like_the_first_request(site: Any) -> None:
    url, _ = site
    with serving() as (inside, reached), client(*LOOPBACK) as guarded:
        allowed = guarded.request("GET", f"{url}/to?{inside}/fine")
        assert allowed.text == "fine"
        assert len(reached) == 1
        for target in ("http://[::1]:80/", "http://10.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd"):
            with pytest.raises(FetchError):
                guarded.request("GET", f"{url}/to?{target}")


def test_a_name_that_changes_its_address_gains_nothing(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen = site
    port = int(url.rpartition(":")[2])
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    connected: list[str] = []

    def look_up(_host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address[0])
        raise OSError("no network in tests")

    monkeypatch.setattr("bot.network.addresses.socket.getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with client() as guarded:
        with pytest.raises(FetchError):
            guarded.request("GET", f"http://rebinding.example:{port}/fine")
        assert connected == ["93.184.216.34"], "the connection goes to what was checked"
        with pytest.raises(FetchError, match=r"127\.0\.0\.1, which isn't public"):
            guarded.request("GET", f"http://rebinding.example:{port}/fine")
    assert connected == ["93.184.216.34"]
    assert seen == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (each, 80)) for each in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr("bot.network.addresses.socket.getaddrinfo", lambda *_, **__: both)
    with pytest.raises(FetchError, match=r"10\.0\.0\.1"):
        Addresses().resolve("both.example", 80, 1)


@pytest.mark.parametrize("path", ["drip", "slow_headers"])
def test_a_slow_drip_ends_with_the_time(site: Any, path: str) -> None:
    url, _ = site
    began = time.monotonic()
    with client(*LOOPBACK) as guarded, within(0.7), pytest.raises(FetchError, match="in time"):
        guarded.request("GET", f"{url}/{path}")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("path", ["huge", "bomb"])
def test_a_huge_body_is_cut_off(site: Any, path: str) -> None:
    url, _ = site
    with client(*LOOPBACK) as guarded, pytest.raises(TooLargeError, match="more than 100,000 bytes"):
        guarded.request("GET", f"{url}/{path}")


def test_endless_redirects_end(site: Any) -> None:
    url, seen = site
    with client(*LOOPBACK) as guarded, pytest.raises(FetchError, match="more than 3 times"):
        guarded.request("GET", f"{url}/endless")
    assert len(seen) == 4


def test_credentials_stay_with_their_server_and_out_of_errors(site: Any) -> None:
    url, seen = site
    with serving() as (other, reached), client(*LOOPBACK) as guarded:
        headers = {"X-Api-Key": "s3cret", "Authorization": "Bearer s3cret", "Accept": "text/plain"}
        guarded.request("GET", f"{url}/to?/fine", headers=headers)
        assert seen[1][1]["x-api-key"] == "s3cret"
        guarded.request("GET", f"{url}/to?{other}/fine", headers=headers)
        assert "s3cret" not in str(reached)
        assert reached[0][1]["accept"] == "text/plain"
        with pytest.raises(FetchError) as refused:
            guarded.request("GET", "http://ada:s3cret@10.0.0.1/x?token=s3cret")
        assert "s3cret" not in str(refused.value)


def test_what_is_fine_arrives_whole_and_no_cookie_is_kept(site: Any) -> None:
    url, seen = site
    with client(*LOOPBACK) as guarded:
        assert guarded.request("GET", f"{url}/packed").text == "packed"
        for _ in range(2):
            assert guarded.request("GET", f"{url}/fine", params={"q": "1"}).text == "fine"
    assert seen[-1][0] == "/fine?q=1"
    assert "cookie" not in seen[-1][1]
    assert seen[-1][1]["user-agent"] == "Mentee/1 (test)"
