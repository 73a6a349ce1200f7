"""Removes a person from every table, the core's and plugins', by a rule that new tables obey by themselves.

Rows whose ``person_id`` is the person are deleted. Anywhere else, in a column of text or inside one of JSON, the
person's id and principals are replaced by a stand-in, because what others did must stay: a department keeps its owners,
a document its readers.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, String, Text, cast, delete, or_, select, update

from bot.storage.tables.access import MemberRow, PersonRow
from bot.storage.tables.training import DatasetRowRow
from bot.storage.traces import texts_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Column, ColumnElement, MetaData, Table
    from sqlalchemy.orm import Session

DELETED_BY = "person_id"
_REMOVED = frozenset({PersonRow.__tablename__, MemberRow.__tablename__})
"""Tables whose row is about nobody else, whichever column holds the person."""


def remove_person(session: Session, tables: Iterable[MetaData], names: frozenset[str], stand_in: str) -> dict[str, int]:
    """Remove a person inside the caller's transaction; return how many rows were deleted or changed, by table.

    :param names: the person's id and principals, and a channel's own id, which counts in rows of its workspace alone.
    :param stand_in: what replaces them.
    """
    counts: dict[str, int] = {}
    for metadata in tables:
        for table in reversed(metadata.sorted_tables):
            number = _clear(session, table, names, stand_in)
            if number:
                counts[table.name] = number
    return counts


def replaced(value: Any, names: frozenset[str], stand_in: str) -> Any:
    """Return a value of a column with the names replaced, in JSON at any depth.

    ``U1`` of ``slack:T1:U1`` isn't replaced in ``slack:T2:U1``, which is somebody else.
    """
    if isinstance(value, str):
        for name in sorted(names, key=len, reverse=True):
            if name in value:
                before = r"(?<![\w:])" if _is_bare(name, names) else r"(?<!\w)"
                value = re.sub(rf"{before}{re.escape(name)}(?![.@-]?\w)", stand_in, value)
        return value
    if isinstance(value, list):
        return [replaced(each, names, stand_in) for each in value]
    if isinstance(value, dict):
        return {replaced(key, names, stand_in): replaced(each, names, stand_in) for key, each in value.items()}
    return value


def elsewhere(names: Collection[str], row: Iterable[str]) -> frozenset[str]:
    """Return those of the names that are somebody else's in a row: ``U1`` of ``slack:T1:U1`` where it doesn't name T1.

    :param row: the row's texts.
    """
    workspaces = bare_names(names)
    found = {workspace for workspace in set(workspaces.values()) if any(workspace in text for text in row)}
    return frozenset(name for name, workspace in workspaces.items() if workspace not in found)


def bare_names(names: Collection[str]) -> dict[str, str]:
    """Return the names that mean a person only within a workspace, which is in their full id, and that workspace."""
    full = [name.split(":") for name in names if not name.startswith("user:") and name.count(":") > 1]
    return {bare: workspace for _, workspace, bare in full if bare in names}


def _is_bare(name: str, names: Collection[str]) -> bool:
    """Return whether a name is the last part of another, as a channel's own id is of the person's."""
    return ":" not in name and any(other.endswith(f":{name}") for other in names)


def naming(column: Any, names: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column of text or JSON contains one of the names, be it within another name."""
    written = cast(column, Text)
    spellings = {*names, *(json.dumps(name)[1:-1] for name in names)}  # JSON escapes what isn't ASCII
    return or_(*(written.contains(name, autoescape=True) for name in spellings))


def _clear(session: Session, table: Table, names: frozenset[str], stand_in: str) -> int:
    texts = [column for column in table.columns if isinstance(column.type, String)]
    about = [column for column in texts if column.name == DELETED_BY or table.name in _REMOVED]
    number = _run(session, delete(table).where(or_(*(column.in_(names) for column in about)))) if about else 0
    if table.name in _REMOVED:
        return number
    changeable = [column for column in table.columns if isinstance(column.type, String | JSON)]
    return number + sum(
        _replace(session, table, column, names, stand_in) for column in changeable if not column.primary_key
    )


def _replace(session: Session, table: Table, column: Column[Any], names: frozenset[str], stand_in: str) -> int:
    number = 0
    for row in session.execute(select(table).where(naming(column, names))).mappings().all():
        texts = [text for value in row.values() for text in texts_in(value)]
        old = row[column.name]
        value = replaced(old, names - elsewhere(names, texts), stand_in)
        if value == old:
            continue
        this: list[ColumnElement[bool]] = [key == row[key.name] for key in table.primary_key.columns]
        if table.name == DatasetRowRow.__tablename__:
            number += _run(session, delete(table).where(*this))
        else:
            number += _run(session, update(table).where(*this).values({column.name: value}))
    return number


def _run(session: Session, statement: Any) -> int:
    return int(getattr(session.execute(statement), "rowcount", 0))
