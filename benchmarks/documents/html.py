"""Writes a case of the table set as HTML, and as the PDF that Chromium prints of it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.documents.tables import TableCase

STYLE = """
@page { size: A4; margin: 20mm }
body { font: 10pt/1.35 "DejaVu Serif", serif }
table { border-collapse: collapse; margin: 8pt 0 }
td, th { padding: 3pt 9pt; text-align: left; vertical-align: top }
.grid td, .grid th, .dark td, .dark th { border: 0.5pt solid #777 }
.dark th { background: #1f3864; color: white }
.booktabs { border-top: 1pt solid; border-bottom: 1pt solid } .booktabs thead { border-bottom: 0.5pt solid }
.zebra tr:nth-child(odd) td { background: #e8eef7 }
.multiline { width: 60% }
.columns { column-count: 2; column-gap: 8mm }
"""


def to_html(case: TableCase) -> bytes:
    """Return the case as a web page."""
    prose = [f"<p>{escape(text)}</p>" for text in case.prose]
    above = "".join(prose[:-1] * (1 + case.before))
    parts = (f"<h1>{escape(case.title)}</h1>", above, _table(case), prose[-1])
    place = ' class="columns"' if case.columns else ""
    head = f'<meta charset="utf-8"><title>{escape(case.title)}</title><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body{place}>{''.join(parts)}</body></html>".encode()


def to_print(case: TableCase) -> bytes:
    """Return the case as Chromium prints it.

    :raises FileNotFoundError: Chromium is not installed.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise FileNotFoundError("Chromium is not installed.")
    with tempfile.TemporaryDirectory() as folder:
        page, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_bytes(to_html(case))
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target}")
        subprocess.run([chromium, *options, str(page)], check=True, capture_output=True)  # noqa: S603 - found above
        return target.read_bytes()


def _table(case: TableCase) -> str:
    spans = {(top, left): (down, across) for top, left, down, across in case.areas}
    hidden = {
        (row, column)
        for top, left, down, across in case.areas
        for row in range(top, top + down)
        for column in range(left, left + across)
    } - set(spans)
    rows = []
    for number, row in enumerate(case.grid):
        tag = "th" if number < case.heads else "td"
        cells = []
        for column, text in enumerate(row):
            if (number, column) in hidden:
                continue
            down, across = spans.get((number, column), (1, 1))
            cells.append(f'<{tag} rowspan="{down}" colspan="{across}">{escape(text)}</{tag}>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head, body = "".join(rows[: case.heads]), "".join(rows[case.heads :])
    return f'<table class="{case.look} {case.kind}"><thead>{head}</thead><tbody>{body}</tbody></table>'
