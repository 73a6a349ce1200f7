"""Give the scopes of API tokens the names that say what they open.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Mapping

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TOKENS = sa.table("tokens", sa.column("id", sa.String), sa.column("scopes", sa.JSON))
NEW = {
    "ask": ("questions:read", "questions:write", "conversations:write"),
    "vote": ("votes:write",),
    "correct": ("corrections:write", "desk:write"),
    "act": ("actions:write",),
    "operate": ("console:write",),
}
OLD = {new: (old,) for old, several in NEW.items() for new in several}


def upgrade() -> None:
    _rename(NEW)


def downgrade() -> None:
    _rename(OLD)


def _rename(names: Mapping[str, tuple[str, ...]]) -> None:
    connection = op.get_bind()
    for token, scopes in connection.execute(sa.select(TOKENS.c.id, TOKENS.c.scopes)).all():
        renamed = dict.fromkeys(new for scope in scopes for new in names.get(scope, (scope,)))
        connection.execute(TOKENS.update().where(TOKENS.c.id == token).values(scopes=list(renamed)))
