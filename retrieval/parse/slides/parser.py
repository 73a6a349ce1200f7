"""PowerPoint files (.pptx): each slide a section, its notes another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, plain, words
from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.lines import one_line
from retrieval.parse.ooxml.package import Package
from retrieval.parse.slides.presentation import Presentation
from retrieval.parse.slides.shapes import ShapeReader
from retrieval.parse.text import HIDDEN_FLAG, INVISIBLE_FLAG, document, title_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.parse.slides.presentation import Page

NOTES = "Notes"
"""Heading of what the speaker says about a slide."""


class PptxParser:
    """PowerPoint presentations: slides with their titles, tables, charts and notes, without hidden slides.

    What stands on every slide (footers, texts of layouts and masters) is said once, at the end.
    """

    name = "pptx"
    suffixes: tuple[str, ...] = (".pptx", ".ppsx", ".potx")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        reading = _Reading(Presentation(Package(data, name, "PowerPoint presentation")))
        sections = [section for number, page in reading.slides() for section in reading.sections(number, page)]
        flags = [{"hidden": HIDDEN_FLAG, "invisible": INVISIBLE_FLAG}[each] for each in sorted(reading.left_out)]
        return document(reading.title or title_from(name), [*sections, reading.repeated()], flags, name)


class _Reading:
    """A presentation that is being read."""

    def __init__(self, presentation: Presentation) -> None:
        self._presentation = presentation
        self._repeated: dict[str, Block] = {}
        self._seen: set[str] = set()
        self.left_out: set[str] = set()
        self.title = ""

    def slides(self) -> Iterator[tuple[int, Page]]:
        """Yield the slides that are shown, with their numbers."""
        for number, page in self._presentation.slides():
            if page.root.get("show", "1") in ("0", "false"):
                self.left_out.add("hidden")
            else:
                yield number, page

    def sections(self, number: int, page: Page) -> Iterator[ParsedSection]:
        """Yield a slide and its notes."""
        reader = self._reader(page)
        title = reader.title()
        blocks = reader.blocks(lambda kind: kind not in ("title", "ftr"))
        for block in reader.blocks(lambda kind: kind == "ftr"):
            self._repeat(block)
        self.left_out |= reader.left_out
        self.title = self.title or title
        heading = title or f"Slide {number}"
        if title and not blocks:
            blocks = [Paragraph(plain(title))]
        yield ParsedSection((heading,), _numbered(blocks, number))
        notes = self._presentation.notes(page)
        if notes is not None:
            said = self._reader(notes).blocks(lambda kind: kind == "body")
            yield ParsedSection((heading, NOTES), _numbered(said, number))
        self._add_above(page)

    def repeated(self) -> ParsedSection:
        """Return what stands on every slide."""
        return ParsedSection((), tuple(self._repeated.values()))

    def _reader(self, page: Page) -> ShapeReader:
        return ShapeReader(self._presentation.package, page, self._presentation.size)

    def _add_above(self, page: Page) -> None:
        above = page.above if page.root.get("showMasterSp", "1") not in ("0", "false") else None
        while above is not None:
            if above.path not in self._seen:
                self._seen.add(above.path)
                for block in self._reader(above).blocks(lambda kind: not kind):
                    self._repeat(block)
            above = above.above

    def _repeat(self, block: Block) -> None:
        said = " ".join(words(one_line([block])).split())
        if said:
            self._repeated.setdefault(said, block)


def _numbered(blocks: Sequence[Block], number: int) -> tuple[Block, ...]:
    return tuple(replace(block, page=number) for block in blocks)
