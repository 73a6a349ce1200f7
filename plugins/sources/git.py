"""Git repositories, by URL or path: the newest commit of the default branch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.documents.parsed import SourceDocument
from bot.domain.errors import DocumentError
from plugins.sources.folder import files_below

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 300
_REPOSITORY = re.compile(r"git\+|git@|git://|ssh://|.*\.git/?$")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "LC_ALL": "C",
}


class GitSource:
    """Addresses such as ``https://host/handbook.git``, ``git@host:handbook.git`` or ``git+/srv/handbook``."""

    name = "git"

    def accepts(self, address: str) -> bool:
        """Accept addresses of repositories."""
        return bool(_REPOSITORY.match(address))

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """Clone the newest commit to a temporary directory and read its files.

        :raises DocumentError: git is missing, or the repository cannot be cloned.
        """
        if shutil.which("git") is None:
            raise DocumentError("Git repositories need the `git` program, which is not installed.", hint="Install git.")
        url = address.removeprefix("git+")
        with tempfile.TemporaryDirectory(prefix="mentee-git-") as folder:
            root = Path(folder, "clone")
            options = ("-c", "protocol.ext.allow=never", "-c", "core.symlinks=false", "-c", "core.hooksPath=/dev/null")
            command = ["git", *options, "clone", "--quiet", "--depth", "1", "--no-tags", "--", url, str(root)]
            _run(command, address)
            return [
                SourceDocument(f"{address.rstrip('/')}/{path.relative_to(root).as_posix()}", path.read_bytes())
                for path in files_below(root)
            ]


def _run(command: Sequence[str], address: str) -> None:
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS, env=environment)  # noqa: S603 - no shell, `--` before the address
    except subprocess.TimeoutExpired:
        raise DocumentError(f"Cloning {address} took longer than {SECONDS} s.") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise DocumentError(
            f"Can't clone {address}: {reason[0]}", hint="Check the address and this machine's access to it."
        ) from None
