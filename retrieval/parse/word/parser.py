"""Word files (.docx): opens the package, and puts headers, body and footers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import words
from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.lines import one_line
from retrieval.parse.ooxml.package import Package, R, W
from retrieval.parse.text import document, title_from, with_bare_headings
from retrieval.parse.word.body import BodyReader, document_sections
from retrieval.parse.word.document import Part, WordFile, first_part
from retrieval.parse.word.inline import page_colour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.parse.formats.visibility import Look


class DocxParser:
    """Word documents as they are read on paper, with their lists' numbers, boxes, notes and equations.

    Insertions count and deletions don't. Comments, hidden text and tables of contents are left out. What headers and
    footers say stands once, at the beginning and the end.
    """

    name = "docx"
    suffixes: tuple[str, ...] = (".docx", ".dotx")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        package = Package(data, name, "Word document")
        root = package.part(package.main)
        body = None if root is None else root.find(f"{W}body")
        if root is None or body is None:
            raise package.damaged("it has no text part")
        file = WordFile.open(package)
        page = page_colour(root)
        sections = with_bare_headings(document_sections(file, body, page))
        above, below = _repeated(file, body, page)
        first = next((section.headings[0] for section in sections if section.headings), "")
        whole = [ParsedSection((), above), *sections, ParsedSection((), below)]
        return document(first or title_from(name), whole, tuple(file.flags), name)


def _repeated(file: WordFile, body: Element, page: Look) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Return what the headers and the footers say, each text once, that of first pages first."""
    seen: set[str] = set()
    found: dict[str, list[Block]] = {"header": [], "footer": []}
    for kind, path in _shown(file, body):
        root = file.package.part(path)
        for block in [] if root is None else BodyReader(Part(file, path), nested=True).blocks(root, page):
            said = " ".join(words(one_line([block])).split())
            if said and said not in seen:
                seen.add(said)
                found[kind].append(block)
    return tuple(found["header"]), tuple(found["footer"])


def _shown(file: WordFile, body: Element) -> Iterator[tuple[str, str]]:
    """Yield ``header`` or ``footer`` and the part of each that a page shows."""
    part = Part(file, file.package.main)
    settings = first_part(file.package, part.path, "settings")
    even = settings is not None and settings.find(f"{W}evenAndOddHeaders") is not None
    for section in body.iter(f"{W}sectPr"):
        kinds = {
            "default",
            *(("first",) if section.find(f"{W}titlePg") is not None else ()),
            *(("even",) if even else ()),
        }
        for wanted in sorted(kinds, key=("first", "default", "even").index):
            for kind in ("header", "footer"):
                for each in section.findall(f"{W}{kind}Reference"):
                    target = part.relations.get(each.get(f"{R}id", ""))
                    if each.get(f"{W}type", "default") == wanted and target is not None and not target.external:
                        yield kind, target.target
