"""Alembic migrations, one set for SQLite and PostgreSQL; :mod:`bot.store.migrate` runs them."""
