"""The blocks of a Word document's parts: headings, paragraphs, list items, code, quotes and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Code, Item, Paragraph, Quote, Span, words
from retrieval.parse.formats.html import from_html
from retrieval.parse.formats.visibility import Look
from retrieval.parse.lines import CODE_SIGN, is_linked, one_line, tidied
from retrieval.parse.ooxml.package import R, W
from retrieval.parse.outline import Outline
from retrieval.parse.text import decode, without_controls
from retrieval.parse.word.document import Part
from retrieval.parse.word.drawings import Drawings
from retrieval.parse.word.inline import DELETED, InlineReader
from retrieval.parse.word.tables import TableReader, is_layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.parsed import ParsedSection
    from retrieval.parse.word.document import WordFile
    from retrieval.parse.word.inline import Content

_UNREAD = frozenset(f"{W}{name}" for name in ("sectPr", "tblPr", "trPr", "tcPr", "sdtPr", "sdtEndPr", "customXmlPr"))
EMBEDDED_FLAG = "embedded document not read"
_FEW_WORDS = 2
"""Words beside a page's number that only count pages, such as "Page" and "of"."""


class BodyReader:
    """Reads a part of a document into blocks.

    :param nested: whether it is within a cell, a box or a note, where headings are paragraphs and notes wait for the
        block around.
    """

    def __init__(self, part: Part, *, nested: bool = False) -> None:
        self._part = part
        self._file = part.file
        self._nested = nested
        self._inline = InlineReader(part)
        self._outline = Outline()
        self._blocks: list[Block] = []
        self._carried: list[Span] = []
        self.notes: list[tuple[tuple[str, str], str]] = []

    def sections(self, root: Element, behind: Look) -> list[ParsedSection]:
        """Return the sections of a part.

        :param behind: what is behind its text.
        """
        self._read(root, behind)
        self._end()
        return self._outline.sections()

    def blocks(self, root: Element, behind: Look) -> list[Block]:
        """Return the blocks of a part or of an element in it."""
        self._read(root, behind)
        return _gathered(self._blocks)

    def _read(self, root: Element, behind: Look) -> None:
        for element in root:
            if element.tag == f"{W}p":
                self._paragraph(element, behind)
            elif element.tag == f"{W}tbl":
                self._table(element, behind)
            elif element.tag == f"{W}altChunk":
                self._embedded(element)
            elif element.tag not in _UNREAD and element.tag not in DELETED:
                self._read(element, behind)  # a content control, or a wrapper of some kind
            if not self._nested:
                self._add_notes()

    def _embedded(self, chunk: Element) -> None:
        """Add a document within this one if it is a web page, the form in which some programs make Word files."""
        target = self._part.relations.get(chunk.get(f"{R}id", ""))
        path = "" if target is None or target.external else target.target
        data = self._file.package.bytes(path)
        if not data or not path.lower().endswith((".htm", ".html", ".xhtml")):
            self._file.flags[EMBEDDED_FLAG] = None
            return
        for section in from_html(without_controls(decode(data, path)), "", (), path).sections:
            self._blocks += [Paragraph((Span(heading, "strong"),)) for heading in section.headings[-1:]]
            self._blocks += section.blocks

    def _paragraph(self, paragraph: Element, behind: Look) -> None:
        properties = paragraph.find(f"{W}pPr")
        styles = self._file.styles
        kind = styles.kind(styles.style_of(properties))
        if kind == "contents":
            self._inline.read(paragraph, behind, code=False)  # a field may begin or end here
            return
        code = kind == "code" or self._is_monospaced(paragraph)
        content = self._inline.read(paragraph, behind, code=code)
        self.notes += content.notes
        spans = [*self._carried, *content.spans]
        self._carried = []
        mark = paragraph.find(f"{W}pPr/{W}rPr")
        if mark is not None and any(mark.find(tag) is not None for tag in DELETED):
            self._carried = spans  # without its mark, it is one paragraph with the next
            return
        if code:
            self._blocks.append(Code("".join(span.text for span in spans)))
        elif not _is_page_number(content):
            self._line(tuple(tidied(spans)), properties, quoted=kind == "quote")
        drawings = Drawings(self._part, _boxed)
        for element, look in content.drawn:
            self._blocks += drawings.blocks(element, look)

    def _line(self, line: tuple[Span, ...], properties: Element | None, *, quoted: bool) -> None:
        said = " ".join(words(line).split())
        level = None if self._nested else self._file.styles.heading(properties)
        number = self._file.numbering.of(properties) if line else None
        marker = number.marker if number else ""
        if level is not None and line:
            self._end()
            self._outline.open(level, f"{marker} {said}".strip() if marker != "-" else said)
            self._blocks += [Paragraph(line)] if said and is_linked(line) else []
        elif number and marker:
            self._blocks.append(Item(marker, line, number.level))
        elif line:
            paragraph = Paragraph(line)
            self._blocks.append(Quote((paragraph,)) if quoted else paragraph)

    def _is_monospaced(self, paragraph: Element) -> bool:
        """Return whether a paragraph is a line of code by its font: it has a sign of code, or follows one."""
        runs = [run for run in paragraph.iter(f"{W}r") if any((each.text or "").strip() for each in run.iter(f"{W}t"))]
        styles = self._file.styles
        style = styles.style_of(paragraph.find(f"{W}pPr"))
        if not runs or not all(styles.is_monospaced(run.find(f"{W}rPr"), style) for run in runs):
            return False
        text = "".join(each.text or "" for run in runs for each in run.iter(f"{W}t"))
        return bool(CODE_SIGN.search(text)) or (bool(self._blocks) and isinstance(self._blocks[-1], Code))

    def _table(self, table: Element, behind: Look) -> None:
        cells = TableReader(self._file, self._cell)
        if is_layout(table, self._file.styles):
            for cell, look in cells.in_order(table, behind):
                self._read(cell, look)
        else:
            self._blocks += cells.read(table, behind)

    def _cell(self, cell: Element, behind: Look) -> tuple[Span, ...]:
        reader = BodyReader(self._part, nested=True)
        line = one_line(reader.blocks(cell, behind))
        self.notes += reader.notes
        return line

    def _add_notes(self) -> None:
        """Put the notes that the last block refers to below it."""
        while self.notes:
            key, mark = self.notes.pop(0)
            note = self._file.notes[key]
            reader = BodyReader(Part(self._file, note.part), nested=True)
            line = one_line(reader.blocks(note.element, Look()))
            if line:
                self._blocks.append(Paragraph((Span(f"Note {mark}: "), *line)))

    def _end(self) -> None:
        """End the current section."""
        self._outline.add(_gathered(self._blocks))
        self._blocks = []


def _boxed(part: Part, element: Element, behind: Look) -> Sequence[Block]:
    """Return the blocks of a text box."""
    return BodyReader(part, nested=True).blocks(element, behind)


def _is_page_number(content: Content) -> bool:
    """Return whether a paragraph only counts pages."""
    return content.paged and len(words(tuple(content.spans)).split()) <= _FEW_WORDS


def _gathered(blocks: Iterable[Block]) -> list[Block]:
    """Put lines of code that follow each other into one block, and paragraphs of a quotation into one."""
    gathered: list[Block] = []
    for block in blocks:
        last = gathered[-1] if gathered else None
        if isinstance(block, Code) and isinstance(last, Code):
            gathered[-1] = Code(f"{last.text}\n{block.text}")
        elif isinstance(block, Quote) and isinstance(last, Quote):
            gathered[-1] = Quote((*last.blocks, *block.blocks))
        else:
            gathered.append(block)
    return [each for each in gathered if not isinstance(each, Code) or each.text.strip()]


def document_sections(file: WordFile, root: Element, behind: Look) -> list[ParsedSection]:
    """Return the sections of a document's body."""
    return BodyReader(Part(file, file.package.main)).sections(root, behind)
