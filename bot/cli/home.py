"""Opens the current home for one command."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from bot.storage.session import Store


@contextmanager
def opened(**parts: Any) -> Iterator[Mentee]:
    """Open the instance of the current home, and close it at the end.

    :param parts: see :class:`bot.app.Mentee`.
    :raises SettingsError: there is no home, or its database needs ``mentee db upgrade``.
    """
    from bot.app import open_mentee
    from bot.config.settings import load_settings

    mentee = open_mentee(load_settings(), **parts)
    try:
        yield mentee
    finally:
        mentee.close()


@contextmanager
def opened_store() -> Iterator[Store]:
    """Open only the database of the current home, for commands that need no plugins.

    :raises SettingsError: there is no home, or its database needs ``mentee db upgrade``.
    """
    from bot.config.settings import load_settings
    from bot.storage import migrate
    from bot.storage.session import Store

    store = Store(load_settings().database_url)
    try:
        migrate.check(store)
        yield store
    finally:
        store.close()
