"""Requests without a valid Slack signature are rejected: nothing enters the inbox and none of their text is logged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from plugins.slack.testing import FakeSlack, payloads

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

MARKER = "marker-of-a-forged-question"


def forged(fake_slack: FakeSlack, kind: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json", **fake_slack.signed_headers(body)}
    if kind == "wrong":
        headers["X-Slack-Signature"] = "v0=" + "0" * 64
    elif kind == "missing":
        del headers["X-Slack-Signature"]
    elif kind == "missing altogether":
        headers = {"Content-Type": "application/json"}
    elif kind == "another app's":
        headers |= fake_slack.signed_headers(body, secret="f" * 32)
    else:
        return headers, body.replace(b"hotels", b"motels")
    return headers, body


@pytest.mark.parametrize("kind", ["wrong", "missing", "missing altogether", "another app's", "changed body"])
async def test_a_forged_request_is_refused_and_never_logged(
    slack_project: MakeSlackProject,
    fake_slack: FakeSlack,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("slack_bolt", "slack_sdk"):
        caplog.set_level(logging.DEBUG, logger=name)
    project = await slack_project("http")
    message = payloads.message("app_mention", text=f"hotels {MARKER}", channel="C1", user="U1", ts="1700000000.000001")
    headers, body = forged(fake_slack, kind, json.dumps(payloads.event(message)).encode())

    status, _ = await fake_slack.post_raw(body, headers)

    assert status == 401
    assert project.mentee.inbox.depth() == 0
    printed = capfd.readouterr()
    assert MARKER not in caplog.text + printed.out + printed.err
    assert fake_slack.posts() == []
