"""Fixtures of web chat as a pytest plugin, where ``mentee[testing]`` is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures only now, so that coverage sees their imports."""
    if find_spec("pytest_asyncio") is not None:
        config.pluginmanager.import_plugin("plugins.web.testing.fixtures")
