"""Mentee's test kit as a pytest plugin: the fixtures of the sibling modules, for our tests and for plugin authors'.

To add fixtures, name their module in :data:`KIT`. The kit needs the extra ``mentee[testing]``; where that is not
installed, other projects' tests run as if there were no kit.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

KIT = ("browser", "engines", "fake_slack", "homes", "serving", "stores", "tiny", "votes", "web")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a test run choose the database of its homes."""
    group = parser.getgroup("mentee")
    stores = ("sqlite", "postgresql")
    about = "Database of test homes. With postgresql only the tests that make a home run."
    group.addoption("--home-store", choices=stores, default="sqlite", help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Load the kit only now, so that coverage sees its imports and other projects' test runs start fast."""
    if find_spec("pytest_asyncio") is None:
        return
    import pytest

    pytest.register_assert_rewrite("bot.testing.engine_contract")  # it holds tests, whose failures are to be explained
    for module in KIT:
        config.pluginmanager.import_plugin(f"bot.testing.{module}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would be the same on any database of homes."""
    if config.getoption("--home-store") == "sqlite":
        return
    same = [item for item in items if "make_database" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=same)
    items[:] = [item for item in items if item not in same]
