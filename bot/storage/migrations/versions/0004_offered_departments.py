"""Add what a plugin offered as a department.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("departments", sa.Column("offered", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("departments", "offered")
