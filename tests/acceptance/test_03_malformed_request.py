"""Malformed requests, signed or not, get a 4xx response and never cause a traceback."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def signed(fake_slack: FakeSlack, body: Any, headers: dict[str, str]) -> Any:
    return {**fake_slack.signed_headers(body), **headers}


MALFORMED: dict[str, Callable[[FakeSlack], tuple[Any, Any]]] = {
    "timestamp of letters": lambda s: (b"{}", {**signed(s, b"{}", JSON), "X-Slack-Request-Timestamp": "abc"}),
    "timestamp of Arabic digits": lambda s: (b"{}", {**signed(s, b"{}", JSON), "X-Slack-Request-Timestamp": "١٢٣"}),
    "endless timestamp": lambda s: (b"{}", {**signed(s, b"{}", JSON), "X-Slack-Request-Timestamp": "9" * 5000}),
    "signature not ASCII": lambda s: (b"{}", {**signed(s, b"{}", JSON), "X-Slack-Signature": "v0=é"}),
    "body not UTF-8": lambda s: (b"\xff\xfe{", {**signed(s, b"{}", JSON)}),
    "signed broken JSON": lambda s: (b'{"type":', signed(s, b'{"type":', JSON)),
    "signed JSON that is no object": lambda s: (b"[1]", signed(s, b"[1]", JSON)),
    "signed endless nesting": lambda s: (b"[" * 200_000, signed(s, b"[" * 200_000, JSON)),
    "signed form without payload": lambda s: (b"a=b", signed(s, b"a=b", FORM)),
    "signed form with broken payload": lambda s: (b"payload=%7B", signed(s, b"payload=%7B", FORM)),
    "wrong content type": lambda s: (b"{}", signed(s, b"{}", {"Content-Type": "text/plain"})),
    "event without an event": lambda s: (
        b'{"type":"event_callback","team_id":"T","event_id":"E"}',
        signed(s, b'{"type":"event_callback","team_id":"T","event_id":"E"}', JSON),
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_request_is_the_senders_fault(
    slack_project: MakeSlackProject,
    fake_slack: FakeSlack,
    kind: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    project = await slack_project("http")
    body, headers = MALFORMED[kind](fake_slack)

    status, _ = await fake_slack.post_raw(body, headers)

    assert 400 <= status < 500
    assert project.mentee.inbox.depth() == 0
    printed = capfd.readouterr()
    assert "Traceback" not in caplog.text + printed.out + printed.err


FRAMES = [
    "not json", "[1]", "null", "{}", '{"type":"events_api","envelope_id":"e"}',
    '{"type":"events_api","envelope_id":"e","payload":[1]}', '{"type":"interactive","envelope_id":"e","payload":{}}',
    '{"type":"slash_commands","envelope_id":"e","payload":{"command":"/mentee"}}', '{"type":"sing","envelope_id":"e"}',
]  # fmt: skip


async def test_over_a_socket_it_keeps_nothing_else_from_being_answered(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project("socket")
    for frame in FRAMES:
        await fake_slack.sockets.open[-1].send_str(frame)
    asked = await fake_slack.mention("Are hotels tax exempt?")
    assert (asked.acknowledged, asked.attempts) == (True, 1)
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
    assert fake_slack.sockets.accepted == 1


async def test_slacks_own_check_of_the_address_is_answered(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project("http")
    body = b'{"type":"url_verification","challenge":"c-1","token":"t"}'
    status, answer = await fake_slack.post_raw(body, signed(fake_slack, body, JSON))
    assert (status, answer) == (200, {"challenge": "c-1"})
