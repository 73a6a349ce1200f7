"""A fake Slack on loopback for tests: Web API, Socket Mode, signed HTTP. The fixtures are in ``fake_slack``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.slack.testing.faults import Fault, drop, error, hang, http_error, rate_limited
from plugins.slack.testing.wire import Call, Delivery, Post

if TYPE_CHECKING:
    from plugins.slack.testing.server import FakeSlack

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


def __getattr__(name: str) -> Any:
    """Load the server when it is asked for: pytest imports this package even where Slack's libraries are missing."""
    if name != "FakeSlack":
        raise AttributeError(name)
    from plugins.slack.testing.server import FakeSlack

    return FakeSlack
