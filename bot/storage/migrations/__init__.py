"""Alembic migrations, one set for SQLite and PostgreSQL; :mod:`bot.storage.migrate` runs them."""
