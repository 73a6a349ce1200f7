"""A change to a department's documents: what is asked for, and the report of what was done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument

State = Literal["added", "updated", "unchanged", "removed", "skipped", "failed"]
Listener = Callable[[str, int, int], None]
"""Progress callback, called with (stage, newly done, total)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document to be stored. ``parsed`` is ``None`` when it is unchanged or could not be read; ``error`` says why.

    :param base: folder that a relative ``source`` was given in, so that it can be read again from anywhere.
    """

    address: str
    source: str
    base: str
    sha256: str
    size: int
    readers: tuple[str, ...] | None = None
    parsed: ParsedDocument | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one document. ``reason`` says why it failed or was skipped."""

    address: str
    state: State
    reason: str = ""
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class Change:
    """Documents to store and to remove together; ``outcomes`` are those of documents that need neither."""

    wanted: list[Wanted] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a change. ``snapshot`` is the index snapshot served afterwards."""

    department: str
    outcomes: tuple[Outcome, ...]
    snapshot: str | None

    def of(self, *states: State) -> list[Outcome]:
        """Return the outcomes in any of the states."""
        return [outcome for outcome in self.outcomes if outcome.state in states]


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes as hex."""
    return hashlib.sha256(data).hexdigest()
