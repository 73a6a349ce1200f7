"""Copies of files that others may be changing, replacing or deleting."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import ASIDE, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

TRIES = 5
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file to copy, by its path below the folder it is in."""

    source: Path
    name: str


def files_below(folder: Path, *, without: Collection[Path] = ()) -> Iterator[CopiedFile]:
    """Yield the files in a folder, without locks and without what is being written aside.

    :param without: files and folders that are left out.
    :raises ArtifactError: there is a link to a folder, which may lead anywhere.
    """
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith(ASIDE) and here / name not in without)
        for name in folders:
            if (here / name).is_symlink():
                raise ArtifactError(f"{here / name} is a link.", hint="Put the folder itself there.")
        for name in sorted(files):
            path = here / name
            if not name.startswith(ASIDE) and not name.endswith(".lock") and path not in without and path.is_file():
                yield CopiedFile(path, str(path.relative_to(folder)))


def copy_all(files: Collection[CopiedFile], target: Path, advance: Callable[[int], None]) -> None:
    """Copy files below ``target``. A folder that is deleted meanwhile is in the copy whole or not at all.

    :raises ArtifactError: a file kept changing while it was copied.
    """
    gone: set[CopiedFile] = set()
    for file in files:
        path = target / file.name
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        try:
            copy_file(file.source, path)
        except FileNotFoundError:
            gone.add(file)
            path.unlink(missing_ok=True)
        else:
            advance(path.stat().st_size)
    for file in gone:
        if not file.source.parent.exists():
            shutil.rmtree((target / file.name).parent, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy one file as it was at one moment.

    :raises ArtifactError: it changed each time while it was copied.
    :raises FileNotFoundError: it is gone.
    """
    for _ in range(TRIES):
        with source.open("rb") as original, target.open("wb") as copy:
            target.chmod(PRIVATE_FILE)
            before = _state(os.fstat(original.fileno()))
            digest = hashlib.sha256()
            while chunk := original.read(1 << 20):
                digest.update(chunk)
                copy.write(chunk)
            same = before == _state(os.fstat(original.fileno())) == _state(source.stat())
        if same and hash_file(target) == digest.hexdigest():
            return
    raise ArtifactError(f"{source} keeps changing.", hint="Try again when the round has ended.")


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
