"""A PDF as a document: pages are read by pdfium, put in reading order, and joined where a page break cuts them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.pdf.layout.assembly import sections_of
from retrieval.parse.pdf.layout.furniture import without_furniture
from retrieval.parse.pdf.layout.prose import plain_key
from retrieval.parse.pdf.page.sheets import opened, read_sheet
from retrieval.parse.pdf.scans import Scans
from retrieval.parse.text import HIDDEN_FLAG, clean, document, title_from

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.parse.pdf.geometry import Sheet

MAX_PAGES = 2_000
MAX_OUTLINE = 5_000
SCAN_FLAG = "text layer of a scan"

_MADE_UP = re.compile(
    r"\W*+(?:(?:untitled|unbenannt|do[ck]ument|presentation)\)?\s*+\d*|(?:microsoft word|powerpoint) - .*"
    r"|.*\.(?:docx?|pptx?|xlsx?|indd|pdf|odt|rtf|txt|tex|html?))\W*",
    re.IGNORECASE,
)


def read_pdf(data: bytes, name: str) -> ParsedDocument:
    """Read a PDF.

    :raises DocumentError: it is encrypted, damaged, too large, or a scan that can't be read.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        reason = "it is encrypted" if "assword" in str(error) else str(error).rstrip(".")
        raise DocumentError(f"{name} is not a readable PDF: {reason}.") from error
    if len(pdf) > MAX_PAGES:
        raise DocumentError(f"{name} has {len(pdf)} pages, more than {MAX_PAGES}.", hint="Split it.")
    pdf.init_forms()
    scans = Scans(name)
    sheets = [_sheet(pdf, number, name, scans) for number in range(len(pdf))]
    found = sections_of(without_furniture(sheets), _outline(pdf))
    if not any(section.blocks for section in found):
        scans.refuse()
    flags = [*([HIDDEN_FLAG] if any(sheet.hidden for sheet in sheets) else [])]
    flags += [SCAN_FLAG] if any(sheet.layer for sheet in sheets) else []
    first = next((section.headings[0] for section in found if section.headings), "")
    return document(_title(pdf) or first or title_from(name), found, (*flags, *scans.flags), name)


def _title(pdf: Any) -> str:
    """Return the title that the author gave, unless it is one that a program made up."""
    given = clean(pdf.get_metadata_dict().get("Title", ""))[0].strip()
    return "" if _MADE_UP.fullmatch(given) else given


def _sheet(pdf: Any, index: int, name: str, scans: Scans) -> Sheet:
    page, links = opened(pdf, index)
    try:
        sheet = read_sheet(page, links, index + 1, name)
        return scans.read(sheet, page) if sheet.pictures else sheet
    finally:
        page.close()


def _outline(pdf: Any) -> dict[str, int]:
    """Return the level of each entry of the outline, by its words."""
    levels: dict[str, int] = {}
    for number, entry in enumerate(pdf.get_toc()):
        if number >= MAX_OUTLINE:
            break
        levels.setdefault(plain_key(clean(entry.get_title())[0]), entry.level + 1)
    levels.pop("", None)
    return levels
