"""Add the failures of plugins, and remove the switches of departments that are gone.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plugin_failures",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("plugin", sa.String(length=128), nullable=False),
        sa.Column("hook", sa.Text(), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("process", sa.String(length=128), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_plugin_failures_plugin", "plugin_failures", ["plugin"])
    op.create_index("ix_plugin_failures_at", "plugin_failures", ["at"])
    op.execute("DELETE FROM plugin_states WHERE department <> '' AND department NOT IN (SELECT name FROM departments)")


def downgrade() -> None:
    op.drop_table("plugin_failures")
