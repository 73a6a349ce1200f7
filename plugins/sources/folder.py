"""Files and folders of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from bot.domain.documents.parsed import MAX_BYTES, SourceDocument
from bot.domain.errors import DocumentError, UnreadableError


class FolderSource:
    """One file, or all files below a folder, except hidden ones and links that lead out of the folder."""

    name = "folder"

    def accepts(self, address: str) -> bool:
        """Accept anything that looks like a path."""
        return "://" not in address

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """List the files by path; each is read when it is used.

        :raises DocumentError: nothing is at the address, or permissions forbid reading it.
        """
        root = Path(address)
        if root.is_file():
            return Files(((address, root),))
        if not root.is_dir():
            raise DocumentError(f"There is no file or folder {address}.", hint="Check the path.")
        if not os.access(root, os.R_OK | os.X_OK):
            raise DocumentError(f"The folder {address} cannot be read.", hint="Check its permissions.")
        return Files(
            [(f"{address.rstrip('/')}/{path.relative_to(root).as_posix()}", path) for path in files_below(root)]
        )


class Files(Sequence[SourceDocument]):
    """Documents that are read one by one, so that a large folder need not fit in memory.

    :param listing: address and path of each.
    """

    def __init__(self, listing: Sequence[tuple[str, Path]]) -> None:
        self._listing = listing

    def __len__(self) -> int:
        return len(self._listing)

    @overload
    def __getitem__(self, index: int) -> SourceDocument: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SourceDocument]: ...
    def __getitem__(self, index: int | slice) -> SourceDocument | Sequence[SourceDocument]:
        if isinstance(index, slice):
            return Files(self._listing[index])
        address, path = self._listing[index]
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise UnreadableError(
                    address, f"{address} has {size / 1e6:.0f} MB, more than {MAX_BYTES // 1_000_000} MB."
                )
            return SourceDocument(address, path.read_bytes())
        except OSError as error:
            raise UnreadableError(address, f"Can't read {address}: {error.strerror}.") from error


def files_below(root: Path) -> list[Path]:
    """Return the files below a folder by path, except hidden ones and links that lead out of it."""
    inside = root.resolve()
    found = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or (path.is_symlink() and not path.resolve().is_relative_to(inside)):
                continue
            found.append(path)
    return sorted(found)
