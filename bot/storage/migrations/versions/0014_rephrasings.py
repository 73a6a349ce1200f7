"""Add which questions were asked again in other words. Those that are there are compared soon.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("questions", sa.Column("compared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_questions_compared", "questions", ["compared"])
    op.create_index("ix_questions_asked_at", "questions", ["asked_at"])
    op.create_table(
        "rephrasings",
        sa.Column("earlier_id", sa.String(64), sa.ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("later_id", sa.String(64), sa.ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_index("ix_rephrasings_later_id", "rephrasings", ["later_id"])


def downgrade() -> None:
    op.drop_table("rephrasings")
    op.drop_index("ix_questions_asked_at", "questions")
    op.drop_index("ix_questions_compared", "questions")
    op.drop_column("questions", "compared")
