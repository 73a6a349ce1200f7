"""Add the versions of curated answers, their author, their expiry, and when somebody found them wrong.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("author", sa.String(length=255), nullable=False, server_default=""),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False, server_default="2026-01-01 00:00:00"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("flagged_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("curated_answers", column)
    op.create_table(
        "curated_versions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("curated_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("rests_on", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.String(length=255), nullable=False),
        sa.Column("correction_id", sa.String(length=64), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["curated_id"], ["curated_answers.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["correction_id"], ["corrections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("curated_id", "revision", name="curated_versions_in_order"),
    )
    for name in ("curated_id", "person_id", "correction_id"):
        op.create_index(op.f(f"ix_curated_versions_{name}"), "curated_versions", [name], unique=False)
    op.execute(
        "UPDATE curated_answers SET edited_at = created_at, author = COALESCE("
        "(SELECT person_id FROM corrections WHERE corrections.id = curated_answers.correction_id), '')"
    )
    op.execute(
        "INSERT INTO curated_versions "
        "(id, curated_id, revision, question, text, rests_on, person_id, correction_id, at) "
        "SELECT 'cv_' || substr(id, 4), id, 1, question, text, rests_on, author, correction_id, created_at "
        "FROM curated_answers"
    )


def downgrade() -> None:
    op.drop_table("curated_versions")
    for name in ("flagged_at", "expires_at", "edited_at", "revision", "author"):
        op.drop_column("curated_answers", name)
