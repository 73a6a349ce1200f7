"""Only the user that Mentee runs as may read what it keeps: folders have mode 0700, files 0600."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.config.settings import Settings

UMASK = 0o077
OTHERS = 0o077
"""The bits of a mode that let a group or others in."""

log = structlog.get_logger(__name__)


def make_private(settings: Settings) -> None:
    """Close the home and the folder of artifacts to others, and say so, if an earlier version or somebody opened them.

    Everything is looked through only if the folder, the settings or the database is open; new files are made private.
    """
    for folder in {settings.home, settings.artifacts_dir}:
        if not any(map(_is_open, (folder, *folder.glob("mentee.*")))):
            continue
        mended = sum(map(_close, _below(folder)))
        if mended:
            log.warning("files_made_private", folder=str(folder), files=mended)
        else:
            log.warning("files_open_to_others", folder=str(folder), problem="They belong to another user.")


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in (*folders, *files))


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & OTHERS)


def _close(path: Path) -> bool:
    """Take the rights of others, and return whether there were any to take."""
    try:
        if path.is_symlink() or not _is_open(path):
            return False
        path.chmod(path.stat().st_mode & 0o700)
    except OSError:  # it's gone, or another user's
        return False
    return True
