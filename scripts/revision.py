"""Write a new database migration from what changed in ``bot/storage/tables``.

Run as: ``.venv/bin/python scripts/revision.py "add the tables of …"``. Read what it wrote before committing it.
"""

from __future__ import annotations

import sys
import tempfile

from bot.storage.migrate import revise, upgrade
from bot.storage.session import Store


def main(message: str) -> None:
    """Compare the models with a fresh database at the newest schema and write the difference as the next revision."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/empty.db")
        upgrade(store)
        revise(store, message)
        store.close()


if __name__ == "__main__":
    main(sys.argv[1])
