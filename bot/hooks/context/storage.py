"""Values of plugins by key: for what needs no table of its own. Everything here is blocking."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.domain.errors import SettingsError, TooLargeError
from bot.domain.identifiers import now
from bot.domain.questions import cleaned, is_text
from bot.storage.tables.plugins import PluginValueRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from bot.storage.session import Store

MAX_KEY_CHARS = 200
MAX_VALUE_BYTES = 65_536
MAX_VALUES = 10_000
"""Values of one plugin in all departments together."""


class PluginStorage:
    """The values of your plugin in one department, or (``department=None``) those of the whole instance.

    A value is anything that JSON can hold, up to 64 KiB; a plugin can have 10,000 values. They are in the database, so
    all processes share them, backups include them, and ``mentee erase`` deletes those of a person. Name the person
    with ``person=`` instead of in the key: values of different people are apart even if their keys are the same.

    Each method is one transaction. Use :meth:`increment` or :meth:`compare_and_set` for what several processes change.
    """

    def __init__(self, store: Store, plugin: str, department: str | None) -> None:
        self._store = store
        self._plugin = plugin
        self._department = department or ""

    def of(self, department: str | None) -> PluginStorage:
        """Return the values in another department, or those of the whole instance."""
        return PluginStorage(self._store, self._plugin, department)

    def get(self, key: str, default: Any = None, *, person: str = "") -> Any:
        """Return a value, or ``default`` if there is none or it has expired."""
        with self._store.read() as session:
            row = session.scalar(select(PluginValueRow).where(*self._at(key, person), _alive()))
            return default if row is None else row.value

    def set(self, key: str, value: Any, *, person: str = "", expires_in: timedelta | None = None) -> None:
        """Set a value.

        :param person: id of the person it is about.
        :param expires_in: after how long it is gone; by default never.
        :raises TooLargeError: the value is too large, or there are too many.
        :raises SettingsError: the key is empty or too long, or the value can't be JSON.
        """
        _check(key, value)
        with self._changing(key, person) as (_, _, row):
            row.value, row.expires_at = value, now() + expires_in if expires_in else None

    def delete(self, key: str, *, person: str = "") -> bool:
        """Delete a value; return whether there was one."""
        with self._store.write() as session:
            return bool(
                session.scalars(
                    delete(PluginValueRow).where(*self._at(key, person)).returning(PluginValueRow.key)
                ).all()
            )

    def items(self, prefix: str = "", *, person: str = "") -> list[tuple[str, Any]]:
        """Return keys and values, by key.

        :param prefix: what the keys begin with.
        """
        begins = PluginValueRow.key.startswith(prefix, autoescape=True)
        columns = select(PluginValueRow.key, PluginValueRow.value)
        with self._store.read() as session:
            found = session.execute(columns.where(*self._mine(person), begins, _alive()).order_by(PluginValueRow.key))
            return [(key, value) for key, value in found]

    def increment(self, key: str, by: int = 1, *, person: str = "", expires_in: timedelta | None = None) -> int:
        """Add to a number and return the result. A missing one counts as 0.

        :param expires_in: after how long it is gone, counted from when it was created.
        :raises SettingsError: the value isn't a whole number.
        """
        _check(key, by)
        with self._changing(key, person) as (_, new, row):
            before = 0 if new else row.value
            if not isinstance(before, int) or isinstance(before, bool):
                raise SettingsError(
                    f"The value of {key!r} is {type(before).__name__}, not a whole number.", hint="Use another key."
                )
            row.value = before + by
            if new:
                row.expires_at = now() + expires_in if expires_in else None
            return int(row.value)

    def compare_and_set(
        self, key: str, expected: Any, value: Any, *, person: str = "", expires_in: timedelta | None = None
    ) -> bool:
        """Set a value if it is ``expected``; return whether it was. ``expected=None`` means that there is none.

        Of several processes that call this with the same expectation, exactly one gets ``True``.
        """
        _check(key, value)
        with self._changing(key, person) as (session, new, row):
            if (None if new else row.value) != expected:
                if new:
                    session.delete(row)
                return False
            row.value, row.expires_at = value, now() + expires_in if expires_in else None
            return True

    @contextmanager
    def _changing(self, key: str, person: str) -> Iterator[tuple[Session, bool, PluginValueRow]]:
        """Lock the value's row, which is made if there is none; say whether it has no value yet."""
        insert: Any = sqlite.insert if self._store.is_sqlite else postgresql.insert
        names = {"plugin": self._plugin, "department": self._department, "person_id": person, "key": key}
        with self._store.write() as session:
            made = insert(PluginValueRow).values(**names, value=None, expires_at=None, updated_at=now())
            new = session.execute(made.on_conflict_do_nothing().returning(PluginValueRow.key)).first() is not None
            if new:
                self._check_room(session)
            this = select(PluginValueRow).where(*self._at(key, person))
            row = session.scalars(this.with_for_update().execution_options(populate_existing=True)).one()
            expired = row.expires_at is not None and row.expires_at <= now()
            row.updated_at = now()
            yield session, new or expired, row

    def _check_room(self, session: Session) -> None:
        counted = select(func.count()).where(PluginValueRow.plugin == self._plugin)
        if (session.scalar(counted) or 0) > MAX_VALUES:
            raise TooLargeError(
                f"Plugin {self._plugin!r} has {MAX_VALUES:,} values, which is the limit.",
                hint="Delete some, let them expire, or use a table of your own (register_tables).",
            )

    def _mine(self, person: str) -> list[ColumnElement[bool]]:
        return [
            PluginValueRow.plugin == self._plugin,
            PluginValueRow.department == self._department,
            PluginValueRow.person_id == person,
        ]

    def _at(self, key: str, person: str) -> list[ColumnElement[bool]]:
        return [*self._mine(person), PluginValueRow.key == key]


def _alive() -> ColumnElement[bool]:
    return or_(PluginValueRow.expires_at.is_(None), PluginValueRow.expires_at > now())


def _check(key: str, value: Any) -> None:
    if not key or len(key) > MAX_KEY_CHARS or not is_text(key):
        raise SettingsError(
            f"A key of {len(key)} characters can't be used.", hint=f"Use 1 to {MAX_KEY_CHARS} characters of text."
        )
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The value of {key!r} can't be stored: {error}.", hint="Use what JSON can hold: texts, numbers, lists, …"
        ) from None
    if cleaned(same := json.loads(text)) != same:
        raise SettingsError(
            f"The value of {key!r} contains characters that aren't text.",
            hint="Remove NUL characters and unpaired surrogates.",
        )
    if len(text) > MAX_VALUE_BYTES:
        raise TooLargeError(
            f"The value of {key!r} has {len(text):,} bytes as JSON. The limit is {MAX_VALUE_BYTES:,}.",
            hint="Store less, or use a table of your own (register_tables).",
        )
