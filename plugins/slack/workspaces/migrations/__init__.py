"""Alembic revisions of Slack's tables."""
