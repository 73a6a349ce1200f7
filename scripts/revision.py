"""Write a new database migration from what changed in ``bot/store/models.py``.

Run as: ``.venv/bin/python scripts/revision.py "add the tables of …"``. Read what it wrote before committing it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from bot.store import Store
from bot.store.migrate import config, upgrade


def main(message: str) -> None:
    """Compare the models with a fresh database at the newest schema and write the difference as the next revision."""
    versions = Path(__file__).parents[1] / "bot" / "store" / "migrations" / "versions"
    number = f"{len(list(versions.glob('[0-9]*.py'))) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/empty.db")
        upgrade(store)
        with store.engine.execution_options(writes=True).begin() as connection:
            command.revision(config(connection), message, autogenerate=True, rev_id=number)
        store.close()


if __name__ == "__main__":
    main(sys.argv[1])
