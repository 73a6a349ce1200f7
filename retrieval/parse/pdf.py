"""PDF by pypdfium2. Runs in a child process: PDF libraries have a long record of loops and memory faults."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from bot.errors import DocumentError
from bot.protocols import ParsedSection
from retrieval.parse.text import HIDDEN_FLAG, clean, document, title_from

if TYPE_CHECKING:
    from bot.protocols import ParsedDocument

MAX_PAGES = 2_000
SCAN_FLAG = "text layer of a scan"

_INVISIBLE_MODE = 3
_WHITE = 250
_MIN_POINTS = 2.0
_REPLACEMENTS = {"\ufffe": "", "\x02": "", "\r\n": "\n"}


class PdfParser:
    """PDF text by page; the outline's titles are the headings. Invisible, white and tiny text is removed."""

    name = "pdf"
    suffixes: tuple[str, ...] = (".pdf",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""
        import pypdfium2

        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            reason = "it is encrypted" if "assword" in str(error) else str(error)
            raise DocumentError(f"{name} is not a readable PDF: {reason}.") from error
        if len(pdf) > MAX_PAGES:
            raise DocumentError(f"{name} has {len(pdf)} pages, more than {MAX_PAGES}.", hint="Split it.")
        outline = _outline(pdf)
        sections, flags = [], []
        for number in range(len(pdf)):
            text, found = _page_text(pdf[number])
            flags += found
            sections.append(ParsedSection((*outline.get(number, ()), f"Page {number + 1}"), text))
        title, _ = clean(pdf.get_metadata_dict().get("Title", ""))
        return document(title or title_from(name), sections, flags, name)


def _outline(pdf: Any) -> dict[int, tuple[str, ...]]:
    """Return for each page the outline path that it begins or continues."""
    starts: dict[int, tuple[str, ...]] = {}
    path: list[str] = []
    for entry in pdf.get_toc():
        target = entry.get_dest()
        page = target.get_index() if target else None
        path = [*path[: entry.level], clean(entry.get_title())[0].strip()]
        if page is not None:
            starts.setdefault(page, tuple(part for part in path if part))
    current: tuple[str, ...] = ()
    for number in range(len(pdf)):
        current = starts.setdefault(number, current)
    return starts


def _page_text(page: Any) -> tuple[str, list[str]]:
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()
    whole = text_page.get_text_range()
    texts = list(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=4))
    invisible = [pdfium.FPDFTextObj_GetTextRenderMode(item.raw) == _INVISIBLE_MODE for item in texts]
    has_image = any(True for _ in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4))
    if texts and all(invisible) and has_image:
        return _plain(whole), [SCAN_FLAG]
    if not any(_is_hidden(item.raw) for item in texts):
        text, flags = clean(_plain(whole))
        return text, list(flags)
    shown = "".join(_visible_characters(text_page))
    text, flags = clean(_plain(shown))
    return text, [*flags, HIDDEN_FLAG]


def _is_hidden(item: Any) -> bool:
    """Return whether a text object (pdfium's own handle) is invisible, white, transparent or too small to read."""
    import pypdfium2.raw as pdfium

    if pdfium.FPDFTextObj_GetTextRenderMode(item) == _INVISIBLE_MODE:
        return True
    size, matrix = ctypes.c_float(), pdfium.FS_MATRIX()
    pdfium.FPDFTextObj_GetFontSize(item, size)
    pdfium.FPDFPageObj_GetMatrix(item, matrix)
    height = size.value * max(abs(matrix.b), abs(matrix.d))
    channels = [ctypes.c_uint() for _ in range(4)]
    pdfium.FPDFPageObj_GetFillColor(item, *channels)
    red, green, blue, alpha = (channel.value for channel in channels)
    return height < _MIN_POINTS or alpha == 0 or min(red, green, blue) >= _WHITE


def _visible_characters(text_page: Any) -> list[str]:
    import pypdfium2.raw as pdfium

    shown = []
    known: dict[int, bool] = {}
    for index in range(text_page.count_chars()):
        owner = pdfium.FPDFText_GetTextObject(text_page.raw, index)
        if owner:
            key = ctypes.cast(owner, ctypes.c_void_p).value or 0
            if key not in known:
                known[key] = _is_hidden(owner)
            if known[key]:
                continue
        shown.append(chr(pdfium.FPDFText_GetUnicode(text_page.raw, index)))
    return shown


def _plain(text: str) -> str:
    for old, new in _REPLACEMENTS.items():
        text = text.replace(old, new)
    return text
