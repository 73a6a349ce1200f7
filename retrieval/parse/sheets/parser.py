"""Excel files (.xlsx): each sheet a section, each row a statement with its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.ooxml.package import Package
from retrieval.parse.sheets.drawings import drawing_blocks
from retrieval.parse.sheets.regions import regions
from retrieval.parse.sheets.workbook import Workbook
from retrieval.parse.text import document, title_from

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument


class XlsxParser:
    """Excel workbooks: values as they are shown, formulas by their results, without hidden sheets, rows and columns."""

    name = "xlsx"
    suffixes: tuple[str, ...] = (".xlsx", ".xltx")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        workbook = Workbook(Package(data, name, "Excel workbook"))
        sections = []
        for sheet in workbook.sheets():
            for region in regions(sheet, name):
                headings = tuple(filter(None, (sheet.name, region.title)))
                sections.append(ParsedSection(headings, region.blocks))
            drawn = drawing_blocks(workbook.package, sheet.path, workbook.flags)
            sections.append(ParsedSection((sheet.name,), tuple(drawn)))
        return document(title_from(name), sections, tuple(workbook.flags), name)
