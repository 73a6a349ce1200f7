"""Works out which champions of a department are in force from its promotions and rollbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def in_force(changes: Iterable[tuple[str, str | None]]) -> list[str | None]:
    """Return the champions in force: the base model (``None``) first, today's champion last.

    :param changes: each change's action, ``promote`` or ``rollback``, and the version it led to; oldest first.
    """
    found: list[str | None] = [None]
    for action, version in changes:
        if action == "promote":
            found.append(version)
            continue
        while len(found) > 1:
            found.pop()
            if found[-1] == version:
                break
    return found
