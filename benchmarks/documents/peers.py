"""Other libraries on the same files, each by what its own README shows.

Imports nothing of Mentee's, so that the libraries can live in an environment of their own:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install pdf-inspector pdfplumber 'markitdown[all]' xberg pymupdf4llm
    .venv/bin/python benchmarks/parsing.py --peers /tmp/peers/bin/python

Run by ``benchmarks/parsing.py``; reads paths on stdin, one a line, and prints a line of JSON for each library.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Tables = list[list[list[str]]]


def pypdfium2_text(path: str) -> tuple[str, Tables]:
    import pypdfium2

    pdf = pypdfium2.PdfDocument(path)
    return "\n".join(page.get_textpage().get_text_range() for page in pdf), []


def pdfplumber_tables(path: str) -> tuple[str, Tables]:
    import pdfplumber

    text, tables = [], []
    with pdfplumber.open(path) as pdf:
        for page in pdf.pages:
            text.append(page.extract_text() or "")
            tables += [[[cell or "" for cell in row] for row in table] for table in page.extract_tables()]
    return "\n".join(text), tables


def pdf_inspector_markdown(path: str) -> tuple[str, Tables]:
    import pdf_inspector

    return pdf_inspector.process_pdf(path).markdown or "", []


def markitdown_markdown(path: str) -> tuple[str, Tables]:
    from markitdown import MarkItDown

    return MarkItDown(enable_plugins=False).convert(path).text_content, []


def xberg_markdown(path: str) -> tuple[str, Tables]:
    import xberg

    async def extracted() -> Any:
        return await xberg.extract(xberg.ExtractInput.from_json(json.dumps({"kind": "uri", "uri": path})))

    found = asyncio.run(extracted()).results
    return "\n".join(one.content for one in found), [table.cells for one in found for table in one.tables]


def pymupdf4llm_markdown(path: str) -> tuple[str, Tables]:
    import pymupdf4llm

    return pymupdf4llm.to_markdown(path), []


PEERS: dict[str, tuple[str, Callable[[str], tuple[str, Tables]], tuple[str, ...]]] = {
    "pypdfium2": ("pypdfium2", pypdfium2_text, (".pdf",)),
    "pdfplumber": ("pdfplumber", pdfplumber_tables, (".pdf",)),
    "pdf-inspector": ("pdf-inspector", pdf_inspector_markdown, (".pdf",)),
    "markitdown": ("markitdown", markitdown_markdown, (".pdf", ".html", ".docx", ".pptx", ".xlsx")),
    "xberg": ("xberg", xberg_markdown, (".pdf", ".html", ".docx", ".pptx", ".xlsx")),
    "pymupdf4llm": ("pymupdf4llm", pymupdf4llm_markdown, (".pdf",)),
}
"""Each library's distribution, how it reads a file, and the kinds of files that it reads."""


def main() -> None:
    """Read the files named on stdin with each library that is installed."""
    paths = [line.strip() for line in sys.stdin if line.strip()]
    for name, (distribution, read, suffixes) in PEERS.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        print(json.dumps({"library": name, "version": version, "read": _all(read, suffixes, paths)}), flush=True)


def _all(read: Callable[[str], tuple[str, Tables]], suffixes: tuple[str, ...], paths: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in paths:
        if Path(path).suffix not in suffixes:
            continue
        started = time.perf_counter()
        try:
            text, tables = read(path)
        except Exception as error:  # noqa: BLE001 - a file that a library can't read counts as nothing read
            text, tables = "", []
            print(f"{path}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
        found[path] = {"text": text, "tables": tables, "seconds": time.perf_counter() - started}
    return found


if __name__ == "__main__":
    main()
