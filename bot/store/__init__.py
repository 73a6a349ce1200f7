"""State in SQLite or PostgreSQL: tables, sessions, migrations, and the inbox and outbox on top."""

from bot.store.engine import Store

__all__ = ["Store"]
