"""Sections of a document under their heading paths, collected block by block in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.parsed import ParsedSection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.domain.documents.blocks import Block


class Outline:
    """Collects the sections of a document."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._done: list[ParsedSection] = []
        self._blocks: list[Block] = []

    def add(self, blocks: Iterable[Block]) -> None:
        """Add blocks to the current section."""
        self._blocks += blocks

    def open(self, level: int, heading: str) -> None:
        """Begin a section below the last heading of a lower level."""
        self._close()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        if heading:
            self._path.append((level, heading))

    def sections(self) -> list[ParsedSection]:
        """Return the sections so far."""
        self._close()
        return self._done

    def _close(self) -> None:
        self._done.append(ParsedSection(tuple(heading for _, heading in self._path), tuple(self._blocks)))
        self._blocks = []
