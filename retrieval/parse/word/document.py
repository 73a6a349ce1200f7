"""An open Word document: what its parts share while they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.parse.grids import MAX_CELLS, too_many_cells
from retrieval.parse.text import HIDDEN_FLAG, INVISIBLE_FLAG, clean
from retrieval.parse.word.numbering import Numbering
from retrieval.parse.word.styles import Styles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from retrieval.parse.ooxml.package import Package, Relation


@dataclass
class WordFile:
    """A Word document that is being read.

    :param notes: the footnotes (``f``) and endnotes (``e``), by kind and id.
    :param flags: what was left out, in the order found.
    """

    package: Package
    styles: Styles
    numbering: Numbering
    notes: Mapping[tuple[str, str], Note]
    flags: dict[str, None] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    cells: int = 0

    @classmethod
    def open(cls, package: Package) -> WordFile:
        main = package.main
        styles = Styles(first_part(package, main, "styles"))
        numbering = Numbering(first_part(package, main, "numbering"), styles)
        notes = {
            (kind[0], each.get(key, "")): Note(each, path)
            for kind in ("footnote", "endnote")
            for path in package.related(main, f"{kind}s")
            for each in package.part(path) or ()
            for key in each.attrib
            if key.endswith("}id")
        }
        return cls(package, styles, numbering, notes)

    def shown(self, text: str) -> str:
        """Return text without invisible characters."""
        said, flags = clean(text)
        if flags:
            self.flags[INVISIBLE_FLAG] = None
        return said

    def hide(self, text: str) -> None:
        """Note that a text was left out because nobody sees it."""
        if text.strip():
            self.flags[HIDDEN_FLAG] = None

    def count_cells(self, cells: int) -> None:
        """Count cells of tables.

        :raises DocumentError: there are too many.
        """
        self.cells += cells
        if self.cells > MAX_CELLS:
            raise too_many_cells(self.package.name)


@dataclass(frozen=True, slots=True)
class Note:
    """A footnote or endnote and the part it stands in."""

    element: Element
    part: str


@dataclass
class Part:
    """A part of the document that has text of its own, such as the body or a header."""

    file: WordFile
    path: str
    _relations: Mapping[str, Relation] | None = None

    @property
    def relations(self) -> Mapping[str, Relation]:
        """What the part refers to."""
        if self._relations is None:
            self._relations = self.file.package.relations(self.path)
        return self._relations


def first_part(package: Package, main: str, kind: str) -> Element | None:
    """Return the part of a kind that another refers to."""
    paths = package.related(main, kind)
    return package.part(paths[0]) if paths else None
