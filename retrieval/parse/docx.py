"""Word documents, by way of mammoth's HTML. Runs in a child process: the file is a zip that anyone may have made."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

from bot.errors import DocumentError
from retrieval.parse.html import from_html
from retrieval.parse.text import HIDDEN_FLAG, clean

if TYPE_CHECKING:
    from bot.protocols import ParsedDocument

MAIN_PART = "word/document.xml"
MAX_UNPACKED = 200_000_000

_RUN = re.compile(rb"<w:r(?:\s[^>]*)?>(?:(?!</w:r>).)*</w:r>", re.DOTALL)
_HIDDEN = re.compile(
    rb"<w:(?:vanish|webHidden)(?:\s+w:val=\"(?:1|true|on)\")?\s*/>|<w:color[^>]*w:val=\"(?:FFFFFF|ffffff)\""
    rb"|<w:sz\s+w:val=\"[0-4]\""
)
_SHOWN_TEXT = re.compile(rb"<w:t(?:\s[^>]*)?>[^<]*\S[^<]*</w:t>")


class DocxParser:
    """Word documents; headings by their styles, lists and tables kept, hidden and white text removed."""

    name = "docx"
    suffixes: tuple[str, ...] = (".docx",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""
        import mammoth

        visible, hidden = _without_hidden(data, name)
        try:
            html = mammoth.convert_to_html(io.BytesIO(visible), convert_image=mammoth.images.img_element(lambda _: {}))
        except Exception as error:  # mammoth raises whatever its XML reader does
            raise DocumentError(f"{name} is not a readable Word document: {error}.") from error
        text, flags = clean(html.value)
        return from_html(text, "", (*flags, *((HIDDEN_FLAG,) if hidden else ())), name)


def _without_hidden(data: bytes, name: str) -> tuple[bytes, bool]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _rewritten(archive, name)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise DocumentError(f"{name} is not a readable Word document: {error}.") from error


def _rewritten(archive: zipfile.ZipFile, name: str) -> tuple[bytes, bool]:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise DocumentError(f"{name} unpacks to more than {MAX_UNPACKED // 1_000_000} MB.", hint="Split it.")
    if any(entry.filename.endswith("vbaProject.bin") for entry in entries):
        raise DocumentError(f"{name} holds macros.", hint="Save it as a plain .docx without macros.")
    removed = False
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as copy:
        for entry in entries:
            content = archive.read(entry)
            if entry.filename == MAIN_PART:
                shown = _RUN.sub(lambda run: b"" if _HIDDEN.search(run[0]) else run[0], content)
                removed = len(_SHOWN_TEXT.findall(shown)) < len(_SHOWN_TEXT.findall(content))
                content = shown
            copy.writestr(entry.filename, content)
    return out.getvalue(), removed
