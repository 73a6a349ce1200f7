"""A Slack far end for tests on loopback: Web API, Socket Mode, signed HTTP. The fixtures are in ``fake_slack``."""

from __future__ import annotations

from bot.testing.slack.faults import Fault, drop, error, hang, http_error, rate_limited
from bot.testing.slack.server import FakeSlack
from bot.testing.slack.wire import Call, Delivery, Post

__all__ = [
    "Call",
    "Delivery",
    "FakeSlack",
    "Fault",
    "Post",
    "drop",
    "error",
    "hang",
    "http_error",
    "rate_limited",
]
