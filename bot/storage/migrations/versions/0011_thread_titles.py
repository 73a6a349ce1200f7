"""Add the titles that people give their threads.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "thread_titles",
        sa.Column("person_id", sa.String(255), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("thread", sa.String(255), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("thread_titles")
