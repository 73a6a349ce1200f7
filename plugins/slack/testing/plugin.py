"""The fake Slack as a pytest plugin: ``fake_slack`` and ``slack_project``, with ``mentee[slack,testing]`` installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures only now, so that coverage sees their imports."""
    if find_spec("pytest_asyncio") is not None and find_spec("slack_bolt") is not None:
        config.pluginmanager.import_plugin("plugins.slack.testing.fixtures")
