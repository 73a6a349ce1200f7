"""Slots: numbered places of this machine in a home, each held by one worker through a file lock.

The lock ends with the process however it ends, so a slot tells at once whether its worker lives, and its name is the
same again after a restart.
"""

from __future__ import annotations

import fcntl
import socket
from typing import IO, TYPE_CHECKING, Any

from bot.errors import BusyError

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 64


class Slot:
    """The first free slot of a home, held until :meth:`release`.

    :raises BusyError: every slot is held.
    """

    def __init__(self, home: Path) -> None:
        for number in range(SLOTS):
            file = _locked(home, number)
            if file is not None:
                self._file = file
                self.name = _name(number)
                return
        raise BusyError(f"All {SLOTS} worker slots of {home} are held.", retry_after=60)

    def release(self) -> None:
        """Let another process have the slot."""
        self._file.close()


def is_gone(home: Path, name: str) -> bool:
    """Return whether the worker of a slot is surely gone: it is a slot of this machine and nobody holds it."""
    numbers = [number for number in range(SLOTS) if _name(number) == name]
    if not numbers:
        return False
    file = _locked(home, numbers[0])
    if file is None:
        return False
    file.close()
    return True


def _name(number: int) -> str:
    return f"{socket.gethostname()}-gpu-{number}"


def _locked(home: Path, number: int) -> IO[Any] | None:
    file = (home / f".gpu-worker-{number}.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
