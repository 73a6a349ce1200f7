"""Requests signed more than five minutes ago are rejected, so a captured request can't be replayed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.slack.testing import FakeSlack, payloads

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject


@pytest.mark.parametrize(("age", "expected"), [(301, 401), (-301, 401), (299, 200), (-299, 200)])
async def test_only_fresh_requests_are_accepted(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, age: Any, expected: int
) -> None:
    moment = float(int(time.time()))
    monkeypatch.setattr("plugins.slack.inbound.http.time.time", lambda: moment)
    monkeypatch.setattr("slack_sdk.signature.time", lambda: moment)
    project = await slack_project("http")
    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="1.000001")
    body = json.dumps(payloads.event(message)).encode()
    headers = {"Content-Type": "application/json", **fake_slack.signed_headers(body, age=age)}

    status, _ = await fake_slack.post_raw(body, headers)

    assert status == expected
    await project.settled()
    assert len(fake_slack.posts("C1")) == (1 if expected == 200 else 0)
