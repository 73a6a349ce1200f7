"""Who is working on what.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "desk_claims",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("person_id", sa.String(length=255), nullable=False),
        sa.Column("item", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", "person_id"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("desk_claims")
