from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:s="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def relations(targets: Mapping[str, tuple[str, str]]) -> str:
    """Return a part of relations: kind and target by id; targets with a colon are addresses."""
    lines = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target={quoteattr(target)} TargetMode="{_mode(target)}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}">{lines}</Relationships>'


def _mode(target: str) -> str:
    return "External" if ":" in target else "Internal"


@pytest.fixture(scope="session")
def make_package() -> Callable[..., bytes]:
    """Make an Office file of parts by path, whose roots get all namespaces, and of what each part refers to."""

    def make(
        parts: Mapping[str, str], related: Mapping[str, Mapping[str, tuple[str, str]]], *, strict: bool = False
    ) -> bytes:
        names = NAMESPACES.replace("schemas.openxmlformats.org", "purl.oclc.org/ooxml") if strict else NAMESPACES
        names = names.replace("/2006/", "/") if strict else names
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, targets in related.items():
                folder, _, base = path.rpartition("/")
                archive.writestr(f"{folder}/_rels/{base}.rels".lstrip("/"), relations(targets))
            for path, xml in parts.items():
                name, _, rest = xml.partition(">")
                closing = name.endswith("/")
                archive.writestr(path, f"{name.rstrip('/')} {names}{'/' if closing else ''}>{rest}")
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def word(make_package: Callable[..., bytes]) -> Callable[..., bytes]:
    """Make a Word file of its body's XML, of further parts by kind (``styles``, ``header1`` …), and of links by id."""

    def make(body: str, links: Mapping[str, tuple[str, str]] | None = None, **parts: str) -> bytes:
        kinds = {name: name.rstrip("0123456789") for name in parts}
        related = {name: (kind, f"{name}.xml") for name, kind in kinds.items()}
        return make_package(
            {
                "word/document.xml": f"<w:document><w:body>{body}</w:body></w:document>",
                **{f"word/{name}.xml": xml for name, xml in parts.items()},
            },
            {
                "": {"r1": ("officeDocument", "word/document.xml")},
                "word/document.xml": {**related, **(links or {})},
            },
        )

    return make


@pytest.fixture(scope="session")
def excel(make_package: Callable[..., bytes]) -> Callable[..., bytes]:
    """Make an Excel file of the XML of its sheets, and of further parts by kind."""

    def make(*sheets: str, **parts: str) -> bytes:
        numbers = range(1, len(sheets) + 1)
        entries = "".join(f'<s:sheet name="Sheet{n}" sheetId="{n}" r:id="s{n}"/>' for n in numbers)
        return make_package(
            {
                "xl/workbook.xml": f"<s:workbook><s:sheets>{entries}</s:sheets></s:workbook>",
                **{f"xl/sheet{n}.xml": f"<s:worksheet>{xml}</s:worksheet>" for n, xml in enumerate(sheets, start=1)},
                **{f"xl/{kind}.xml": xml for kind, xml in parts.items()},
            },
            {
                "": {"r1": ("officeDocument", "xl/workbook.xml")},
                "xl/workbook.xml": {
                    **{f"s{n}": ("worksheet", f"sheet{n}.xml") for n in numbers},
                    **{kind: (kind, f"{kind}.xml") for kind in parts},
                },
            },
        )

    return make
