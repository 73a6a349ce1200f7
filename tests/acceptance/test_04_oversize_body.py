"""Oversized bodies are rejected before they are read, with or without a declared length, and don't flood the log."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.testing.homes import MakeHome
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

TWENTY_MB = 20_000_000
CHUNK = b"x" * 65_536


def upload(url: str, headers: Mapping[str, str], *, declared: bool) -> tuple[int, int]:
    """Send twenty megabytes like a client that listens while it sends; return the status and how much was sent."""
    address = urlsplit(url)
    length = f"Content-Length: {TWENTY_MB}" if declared else "Transfer-Encoding: chunked"
    lines = [f"POST {address.path} HTTP/1.1", f"Host: {address.netloc}", length]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    piece = CHUNK if declared else b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK)
    sent = 0
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        try:
            while sent < TWENTY_MB and not select.select([connection], [], [], 0)[0]:
                connection.sendall(piece)
                sent += len(CHUNK)
        except OSError:  # the server hung up on a client that goes on; what it said before is still to be read
            pass
        return int(connection.makefile("rb").readline().split()[1]), sent


@pytest.mark.parametrize("how", ["declared", "chunked"])
async def test_twenty_megabytes_are_refused(
    slack_project: MakeSlackProject,
    fake_slack: FakeSlack,
    how: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    await slack_project("http")
    capfd.readouterr()
    headers = {"Content-Type": "application/json", **fake_slack.signed_headers(b"{}")}

    status, sent = await asyncio.to_thread(upload, fake_slack.events_url, headers, declared=how == "declared")

    assert status == 413
    assert sent < TWENTY_MB
    printed = capfd.readouterr()
    assert len(caplog.text + printed.out + printed.err) < 1_000


async def test_the_wall_itself_reads_at_most_its_limit(make_home: MakeHome) -> None:
    from plugins.slack.assembly.build import Assembly

    mentee = make_home(settings={"slack": {"max_body_bytes": 1_000_000}}, secrets={"SLACK_SIGNING_SECRET": "0" * 32})
    read, answered = [], []

    async def receive() -> Any:
        read.append(len(CHUNK))
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    await Assembly(mentee).requests()(scope, receive, send)

    assert answered[0]["status"] == 413
    assert sum(read) <= 1_000_000 + len(CHUNK)
