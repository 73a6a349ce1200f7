"""What parsers keep of documents: cells of tables with their meaning, text that people see, and how long they take.

    .venv/bin/python benchmarks/parsing.py [--formats pdf,print,html,docx,pptx,xlsx] [--peers PYTHON] [--cases FOLDER]

Reads the table set (``benchmarks/documents/tables.py``: 40 documents, 10 of them scans) in each format, in the sandbox,
beside the libraries of ``benchmarks/documents/peers.py`` that are installed; one that is missing prints ``null``.

*cells*: the share of cells that stand in a table in one row with the first cell of their row and below all words of
their header. A merged cell counts in each place that it spans. *text*: the share of the words that people see which are
in the output. *sentences*: the share of sentences that stand in it unbroken and in order.

Of the files below ``--cases`` nobody has the truth in a form to count, so each library's share of the words that any
of two others found is printed instead.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script beside this one is named like a package

from benchmarks.documents.html import to_html, to_print
from benchmarks.documents.office import to_docx, to_pptx, to_xlsx
from benchmarks.documents.pdf import to_pdf
from benchmarks.documents.peers import PEERS
from benchmarks.documents.tables import table_set
from bot.domain.documents.blocks import Item, Quote, Table, words
from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import built_in_parsers, by_suffix, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.documents.tables import TableCase
    from bot.domain.documents.blocks import Block


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write the table set.

    :param scans: whether it can be a picture; the others leave scans out.
    """

    suffix: str
    write: Callable[[TableCase], bytes]
    scans: bool = False


FORMATS = {
    "pdf": Format(".pdf", to_pdf, scans=True),
    "print": Format(".pdf", to_print),
    "html": Format(".html", to_html),
    "docx": Format(".docx", to_docx),
    "pptx": Format(".pptx", to_pptx),
    "xlsx": Format(".xlsx", to_xlsx),
}
"""How the table set is written: ``pdf`` by ReportLab, ``print`` by Chromium, if that is installed."""

OWN = "Mentee"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Read:
    """What a library made of a file."""

    text: str
    tables: Sequence[Sequence[Sequence[str]]]
    seconds: float


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, TableCase] = {}
        for name in arguments.formats.split(","):
            files |= _written(name, Path(folder))
        others = sorted(str(path) for path in arguments.cases.rglob("*.pdf")) if arguments.cases else []
        found = {OWN: _own([*files, *others]), **_peers(arguments.peers, [*files, *others])}
    report = _report(found, files)
    print(json.dumps(report, indent=1) if arguments.json else _shown(report))
    for other in others:
        shares = {name: _agreed(name, other, found) for name in found}
        print(f"{Path(other).parent.name}/{Path(other).name}: {shares}")


def _written(name: str, folder: Path) -> dict[str, TableCase]:
    """Write the table set in a format; return the case of each file."""
    files = {}
    (folder / name).mkdir()
    for case in table_set():
        if case.scanned and not FORMATS[name].scans:
            continue
        path = folder / name / f"{case.name}{FORMATS[name].suffix}"
        path.write_bytes(FORMATS[name].write(case))
        files[str(path)] = case
    return files


def _own(paths: Iterable[str]) -> dict[str, Read]:
    parsers = by_suffix(built_in_parsers())
    parse(b"Warm.", "warm.txt", parsers)
    found = {}
    for path in paths:
        started = time.perf_counter()
        try:
            document = parse(Path(path).read_bytes(), Path(path).name, parsers)
        except DocumentError as error:
            print(error, file=sys.stderr)
            found[path] = Read("", [], time.perf_counter() - started)
            continue
        blocks = [block for section in document.sections for block in section.blocks]
        said = "\n".join("\n".join((*section.headings, _everything(section.blocks))) for section in document.sections)
        found[path] = Read(said, [*_tables(blocks)], time.perf_counter() - started)
    return found


def _everything(blocks: Sequence[Block]) -> str:
    """Return all words of blocks, each cell once."""
    from bot.domain.documents.rendering import rendered

    return "\n".join(rendered([block]).markdown for block in blocks)


def _tables(blocks: Iterable[Block]) -> Iterable[list[list[str]]]:
    for block in blocks:
        if isinstance(block, Table):
            rows = [block.header, *block.rows] if block.header else [*block.rows]
            yield [[words(cell) for cell in row] for row in rows]
        elif isinstance(block, Item | Quote):
            yield from _tables(block.blocks)


def _peers(python: str, paths: Sequence[str]) -> dict[str, dict[str, Read] | None]:
    script = ROOT / "benchmarks" / "documents" / "peers.py"
    done = subprocess.run(  # noqa: S603 - the operator names the interpreter
        [python, "-P", str(script)], input="\n".join(paths), capture_output=True, text=True, check=False
    )
    found: dict[str, dict[str, Read] | None] = dict.fromkeys(PEERS)
    for line in done.stdout.splitlines():
        if not line.startswith('{"library"'):
            continue
        told: dict[str, Any] = json.loads(line)
        read = {path: Read(each["text"], each["tables"], each["seconds"]) for path, each in told["read"].items()}
        found[told["library"]] = read
    return found


def _report(
    found: Mapping[str, Mapping[str, Read] | None], files: Mapping[str, TableCase]
) -> dict[str, dict[str, Any] | None]:
    report: dict[str, dict[str, Any] | None] = {}
    for name, read in found.items():
        if read is None:
            report[name] = None
            continue
        row: dict[str, Any] = {}
        for kind in dict.fromkeys(Path(path).parent.name for path in files):
            chosen = {path: case for path, case in files.items() if Path(path).parent.name == kind and path in read}
            if chosen:
                row[kind] = _figures(chosen, read)
        report[name] = row
    return report


def _figures(files: Mapping[str, TableCase], read: Mapping[str, Read]) -> dict[str, Any]:
    kinds: dict[str, list[float]] = {}
    found = everything = 0
    for path, case in files.items():
        hits = sum(_has(read[path], *fact) for fact in case.facts)
        found, everything = found + hits, everything + len(case.facts)
        kind = f"scan {case.kind}" if case.scanned else case.kind
        kinds.setdefault(kind, []).append(hits / len(case.facts))
    texts = [_text_recall(read[path].text, case) for path, case in files.items()]
    sentences = [_sentences(read[path].text, case) for path, case in files.items()]
    return {
        "cells": round(found / everything, 3),
        "text": round(sum(texts) / len(texts), 3),
        "sentences": round(sum(sentences) / len(sentences), 3),
        "seconds": round(sum(read[path].seconds for path in files), 2),
        "by kind": {kind: round(sum(each) / len(each), 2) for kind, each in kinds.items()},
    }


def _plain(text: str) -> str:
    """Return text as words, whatever Markdown or HTML is around them."""
    text = re.sub(r"<[^<>]{1,80}>", " ", text).replace("\\", "")
    return " ".join(re.findall(r"[\w.,:;’'/-]+", text)).lower()


def _has(read: Read, key: str, header: str, value: str) -> bool:
    """Return whether a cell stands in a row with the first cell of its row and below its header."""
    key, value = _plain(key), _plain(value)
    names = set(_plain(header).split())
    for table in (*read.tables, *_markdown_tables(read.text)):
        rows = [[_plain(cell) for cell in row] for row in table]
        for number, row in enumerate(rows):
            if key not in row:
                continue
            for column, cell in enumerate(row):
                above = {word for each in rows[:number] if column < len(each) for word in each[column].split()}
                if cell == value and names <= above:
                    return True
    return False


def _markdown_tables(text: str) -> list[list[list[str]]]:
    tables: list[list[list[str]]] = []
    before = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("|"):
            if not before.startswith("|"):
                tables.append([])
            if not re.fullmatch(r"[|\s:-]+", stripped):
                tables[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", stripped.strip("|"))])
        before = stripped
    return tables


def _text_recall(text: str, case: TableCase) -> float:
    seen = Counter(_plain(" ".join((case.title, *case.prose, *(cell for row in case.grid for cell in row)))).split())
    read = Counter(_plain(text).split())
    return sum((seen & read).values()) / sum(seen.values())


def _sentences(text: str, case: TableCase) -> float:
    said = _plain(text)
    sentences = [_plain(part) for prose in case.prose for part in re.split(r"(?<=\.)\s", prose)]
    return sum(sentence in said for sentence in sentences) / len(sentences)


def _agreed(name: str, path: str, found: Mapping[str, Mapping[str, Read] | None]) -> float | None:
    """Return a library's share of the words that at least two others found."""
    own = (found[name] or {}).get(path)
    if own is None:
        return None
    said: Counter[str] = Counter()
    for other, read in found.items():
        if other != name and read and path in read:
            said.update(set(_plain(read[path].text).split()))
    agreed = {word for word, count in said.items() if count > 1}
    return round(len(agreed & set(_plain(own.text).split())) / len(agreed), 3) if agreed else 1.0


def _shown(report: Mapping[str, dict[str, Any] | None]) -> str:
    lines = [f"{'library':<14} {'format':<7} {'cells':>6} {'text':>6} {'sentences':>10} {'seconds':>8}  cells by kind"]
    for name, row in report.items():
        for suffix, figures in (row or {"": None}).items():
            if figures is None:
                lines.append(f"{name:<14} {suffix:<7} {'null':>6}")
                continue
            kinds = " ".join(f"{kind} {share:.2f}" for kind, share in figures["by kind"].items())
            numbers = f"{figures['cells']:>6.3f} {figures['text']:>6.3f} {figures['sentences']:>10.3f}"
            lines.append(f"{name:<14} {suffix:<7} {numbers} {figures['seconds']:>8.2f}  {kinds}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="Python that has the other libraries")
    parser.add_argument("--formats", default="pdf", help=f"of {', '.join(FORMATS)}")
    parser.add_argument("--cases", type=Path, help="a folder of further files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
