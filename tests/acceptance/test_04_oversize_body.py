"""A body over the limit is refused before it is read, whether or not it tells its length, and fills no log."""

from __future__ import annotations

import io
import logging

import pytest

TWENTY_MB = 20_000_000
CHUNK = b"x" * 65_536


async def chunks(sent):
    while sum(sent) < TWENTY_MB:
        sent.append(len(CHUNK))
        yield CHUNK


@pytest.mark.parametrize("how", ["declared", "chunked"])
async def test_twenty_megabytes_are_refused(slack_project, fake_slack, how, caplog, capfd):
    caplog.set_level(logging.INFO)
    await slack_project("http")
    capfd.readouterr()
    headers = {"Content-Type": "application/json", **fake_slack.signed_headers(b"{}")}
    body = io.BytesIO(b"x" * TWENTY_MB) if how == "declared" else chunks([])

    status, _ = await fake_slack.post_raw(body, headers)

    assert status in (413, 0)  # the connection may be closed before a client that never stops sending reads the answer
    printed = capfd.readouterr()
    assert len(caplog.text + printed.out + printed.err) < 1_000


async def test_the_wall_itself_reads_at_most_its_limit(make_home):
    from plugins.slack.transport.requests import SlackRequests

    mentee = make_home(settings={"slack": {"max_body_bytes": 1_000_000}}, secrets={"SLACK_SIGNING_SECRET": "0" * 32})
    read, answered = [], []

    async def receive():
        read.append(len(CHUNK))
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def send(message):
        answered.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    await SlackRequests(mentee)(scope, receive, send)

    assert answered[0]["status"] == 413
    assert sum(read) <= 1_000_000 + len(CHUNK)
