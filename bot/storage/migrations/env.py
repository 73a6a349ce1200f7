"""Alembic's entry: runs the migrations on the connection that :mod:`bot.storage.migrate` hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from alembic import context

from bot.storage.tables.base import UtcDateTime

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write our column types as the plain ones below, so that a migration never depends on today's models."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,  # SQLite cannot alter a column: Alembic copies the table instead
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
