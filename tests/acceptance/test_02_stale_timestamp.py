"""A request is accepted only within five minutes of when Slack signed it, so an old one cannot be played again."""

from __future__ import annotations

import json
import time

import pytest

from bot.testing.slack import payloads


@pytest.mark.parametrize(("age", "expected"), [(301, 401), (-301, 401), (299, 200), (-299, 200)])
async def test_only_fresh_requests_are_accepted(slack_project, fake_slack, monkeypatch, age, expected):
    moment = float(int(time.time()))
    monkeypatch.setattr("plugins.slack.transport.requests.time.time", lambda: moment)
    monkeypatch.setattr("slack_sdk.signature.time", lambda: moment)
    project = await slack_project("http")
    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="1.000001")
    body = json.dumps(payloads.event(message)).encode()
    headers = {"Content-Type": "application/json", **fake_slack.signed_headers(body, age=age)}

    status, _ = await fake_slack.post_raw(body, headers)

    assert status == expected
    await project.settled()
    assert len(fake_slack.posts("C1")) == (1 if expected == 200 else 0)
