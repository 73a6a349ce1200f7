"""Give the scopes of API tokens the names that say what they open.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def upgrade() -> None:
    _change(lambda scopes: [new for scope in scopes for new in NEW.get(scope, (scope,))])


def downgrade() -> None:
    """Give a token an old scope only for all that it opens: going back must not widen what a token may do."""
    _change(lambda scopes: [old for old, several in NEW.items() if set(several) <= set(scopes)])


def _change(changed: Callable[[Sequence[str]], list[str]]) -> None:
    connection = op.get_bind()
    for token, scopes in connection.execute(sa.select(TOKENS.c.id, TOKENS.c.scopes)).all():
        connection.execute(TOKENS.update().where(TOKENS.c.id == token).values(scopes=changed(scopes)))
