"""Mentee's test kit as a pytest plugin: loads the fixtures of the modules in :data:`KIT`.

Without the extra ``mentee[testing]`` it does nothing, so that other projects' tests run as if it weren't there.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

KIT = ("browser", "engines", "homes", "serving", "stores", "tiny", "votes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the database of test homes."""
    group = parser.getgroup("mentee")
    stores = ("sqlite", "postgresql")
    about = "Database of test homes. With postgresql only the tests that make a home run."
    group.addoption("--home-store", choices=stores, default="sqlite", help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Load the kit as late as this, so that coverage sees its imports and other projects' tests start fast."""
    if find_spec("pytest_asyncio") is None:
        return
    import pytest

    pytest.register_assert_rewrite("bot.testing.engine_contract")  # it contains tests
    for module in KIT:
        config.pluginmanager.import_plugin(f"bot.testing.{module}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that don't depend on the database of homes."""
    if config.getoption("--home-store") == "sqlite":
        return
    same = [item for item in items if "make_database" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=same)
    items[:] = [item for item in items if item not in same]
