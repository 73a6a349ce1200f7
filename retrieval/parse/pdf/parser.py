"""The parser of PDF. Its libraries are imported where it is used, in the child that reads the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument


class PdfParser:
    """PDF with headings, paragraphs, lists, tables and links. What nobody sees is removed; scans are read by OCR."""

    name = "pdf"
    suffixes: tuple[str, ...] = (".pdf",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        from retrieval.parse.pdf.document import read_pdf

        return read_pdf(data, name)
