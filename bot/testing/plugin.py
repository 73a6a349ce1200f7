"""Mentee's test kit as a pytest plugin: the fixtures of the sibling modules, for our tests and for plugin authors'.

To add fixtures, name their module in :data:`KIT`. The kit needs the extra ``mentee[testing]``; where that is not
installed, other projects' tests run as if there were no kit.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

KIT = ("engines", "fake_slack", "homes", "serving", "stores", "tiny")


def pytest_configure(config: pytest.Config) -> None:
    """Load the kit only now, so that coverage sees its imports and other projects' test runs start fast."""
    if find_spec("pytest_asyncio") is None:
        return
    for module in KIT:
        config.pluginmanager.import_plugin(f"bot.testing.{module}")
