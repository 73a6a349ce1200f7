from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from retrieval.parse.dispatch import built_in_parsers, by_suffix

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.ports import Parser
    from bot.testing.homes import MakeHome
    from retrieval.ingest.documents import Documents

DOCUMENT = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body>'
    "</w:document>"
)
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/>'
    "</Relationships>"
)


@pytest.fixture(scope="session")
def parsers() -> dict[str, Parser]:
    return by_suffix(built_in_parsers())


@pytest.fixture(scope="session")
def make_docx() -> Callable[..., bytes]:
    """Make a Word file of paragraphs (style, run properties, text), and of further parts by name."""

    def make(*paragraphs: tuple[str, str, str], **parts: bytes) -> bytes:
        body = "".join(
            f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:rPr>{look}</w:rPr><w:t>{text}</w:t></w:r></w:p>'
            for style, look, text in paragraphs
        )
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", TYPES)
            archive.writestr("_rels/.rels", RELATIONS)
            archive.writestr("word/document.xml", DOCUMENT.format(body=body))
            for name, content in parts.items():
                archive.writestr(name, content)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    """Make a PDF whose pages are content streams, such as ``BT /F1 12 Tf 72 700 Td (Hello) Tj ET``."""

    def make(*pages: str) -> bytes:
        kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
        objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
        for number, content in enumerate(pages):
            objects.append(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
                f"/Contents {5 + 2 * number} 0 R >>"
            )
            objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
        out = b"%PDF-1.4\n"
        places = []
        for number, value in enumerate(objects, start=1):
            places.append(len(out))
            out += f"{number} 0 obj\n{value}\nendobj\n".encode("latin-1")
        table = "".join(f"{place:010d} 00000 n \n" for place in places)
        size = len(objects) + 1
        end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
        return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode("latin-1")

    return make


@pytest.fixture
def documents_home(make_home: MakeHome, tmp_path: Path) -> tuple[Mentee, Documents, Path]:
    """A home with departments travel and it, and a folder ``docs`` to fill: (mentee, documents, folder)."""
    from retrieval.assembly import open_documents

    mentee = make_home(departments=("travel", "it"), built_in=("retrieval.plugin", "plugins.sources"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text(
        "# Leave\n\n## Annual\n\nEmployees earn four hours of annual leave each pay period.\n"
    )
    (folder / "hotel.md").write_text("# Hotels\n\nBook hotels in Concur below the per diem rate.\n")
    return mentee, open_documents(mentee, actor="test"), folder
