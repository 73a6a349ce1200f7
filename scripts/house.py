"""Measure how the code is laid out: sizes of packages, files and functions, import cycles, docstrings, lines of code.

    .venv/bin/python scripts/house.py [--base REVISION]

Prints each figure beside its target, and what misses it; exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import grimp
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PRODUCT = ("bot", "plugins", "retrieval", "tuning", "recipes", "reader/mentee_reader")
"""Packages that are installed or run; what they measure is shown."""

BESIDE = ("scripts", "benchmarks")
"""Programs, to which the limits of files and functions apply, too."""

GENERATED = "bot/storage/migrations/versions/"
"""Written by Alembic and never edited."""

PACKAGE_MODULES, FILE_LINES, FUNCTION_LINES = 12, 400, 40
BASE = "b463232"
SHOWN = 8
"""Offenders shown for each target."""

Sources = dict[str, str]
"""Texts of Python files by their path from the root of the tree."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table.

    :param target: what the figure should be; ``""`` if it is for information only.
    :param offenders: what misses the target.
    """

    name: str
    value: str
    target: str = ""
    offenders: Sequence[str] = field(default=())


@cache
def read(*folders: str) -> Sources:
    """Return the Python files in folders of this tree, without generated ones."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    names = {str(path.relative_to(ROOT)): path for path in paths}
    return {name: path.read_text(encoding="utf-8") for name, path in names.items() if not name.startswith(GENERATED)}


def functions(sources: Sources) -> Iterator[tuple[str, int, bool]]:
    """Yield each function's name, its lines and whether it has a docstring."""
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                yield f"{name}::{node.name}", lines, ast.get_docstring(node) is not None


def code_lines(source: str) -> int:
    """Count the lines that are neither blank nor comments."""
    return sum(1 for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def modules_per_package(sources: Sources) -> Counter[str]:
    """Count the modules of each package, without its ``__init__`` and without subpackages."""
    names = [Path(name) for name in sources]
    return Counter(str(path.parent) for path in names if path.name != "__init__.py")


def imports() -> dict[str, set[str]]:
    """Return what each module imports, including for annotations and inside functions."""
    folders = [ROOT / folder for folder in PRODUCT if (ROOT / folder).is_dir()]
    sys.path[:0] = sorted({str(folder.parent) for folder in folders})
    graph = grimp.build_graph(*(folder.name for folder in folders), exclude_type_checking_imports=False, cache_dir=None)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other (Tarjan's strongly connected components of two or more)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            place = stack.index(node)
            group, stack[place:] = stack[place:], []
            if len(group) > 1:
                found.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def siblings(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports between the children of each package: rooms that import each other are a cycle, too."""
    between: defaultdict[str, set[str]] = defaultdict(set)
    for module, imported in graph.items():
        for other in imported:
            mine, theirs = module.split("."), other.split(".")
            common = next((n for n, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), None)
            if common is not None:
                between[".".join(mine[: common + 1])].add(".".join(theirs[: common + 1]))
    return dict(between)


def longest_chain(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the longest chain of imports; inside a cycle it stops."""
    best: dict[str, list[str]] = {}

    def chain(node: str, above: frozenset[str]) -> list[str]:
        if node not in best:
            below = [chain(other, above | {node}) for other in sorted(graph.get(node, ())) if other not in above]
            best[node] = [node, *max(below, key=len, default=[])]
        return best[node]

    return max((chain(node, frozenset({node})) for node in sorted(graph)), key=len, default=[])


def at_revision(revision: str) -> Sources | None:
    """Return the product's files at a revision; ``None`` without git or without that revision."""
    command = ["git", "-C", str(ROOT), "archive", revision]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError):
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        members = [member for member in files if member.isfile() and member.name.endswith(".py")]
        inside = [one for one in members if one.name.startswith(PRODUCT) and not one.name.startswith(GENERATED)]
        return {one.name: content.read().decode() for one in inside if (content := files.extractfile(one))}


def spread(values: Sequence[int]) -> str:
    return f"median {median(values):.0f}, p90 {quantiles(values, n=10)[-1]:.0f}, max {max(values)}"


def over(limit: int, values: Mapping[str, int]) -> list[str]:
    """Return what is over a limit, the largest first."""
    found = sorted((count, name) for name, count in values.items() if count > limit)
    return [f"{name}: {count}" for count, name in reversed(found)]


def layout() -> list[Figure]:
    """Measure packages and imports."""
    packages = modules_per_package(read(*PRODUCT))
    graph = imports()
    chain = longest_chain(graph)
    found, between = cycles(graph), cycles(siblings(graph))
    return [
        Figure(
            "modules per package",
            f"{spread([*packages.values()])}, in {len(packages)} packages",
            f"max {PACKAGE_MODULES}",
            over(PACKAGE_MODULES, packages),
        ),
        Figure("import cycles between modules", str(len(found)), "0", [", ".join(group) for group in found]),
        Figure("import cycles between packages", str(len(between)), "0", [", ".join(group) for group in between]),
        Figure("longest import chain", f"{len(chain)} modules, from {chain[0]} to {chain[-1]}"),
    ]


def sizes() -> list[Figure]:
    """Measure files, functions and docstrings."""
    product, beside = read(*PRODUCT), read(*BESIDE)
    lengths = {name: source.count("\n") for name, source in product.items()}
    others = {name: source.count("\n") for name, source in {**beside, **read("tests")}.items()}
    measured = [*functions(product)]
    lines = {name: count for name, count, _ in measured}
    programs = {name: count for name, count, _ in functions(beside)}
    documented = sum(has for _, _, has in measured) / len(measured)
    return [
        Figure("lines per file", spread([*lengths.values()]), f"max {FILE_LINES}", over(FILE_LINES, lengths | others)),
        Figure(
            "lines per function",
            spread([count for _, count, _ in measured]),
            f"max {FUNCTION_LINES}",
            over(FUNCTION_LINES, lines | programs),
        ),
        Figure("functions with docstrings", f"{documented:.0%} of {len(measured)}"),
    ]


def growth(base: str) -> Figure:
    """Compare the lines of code with those at a revision."""
    now = sum(map(code_lines, read(*PRODUCT).values()))
    earlier = at_revision(base)
    if not earlier:
        return Figure("lines of code", f"{now:,} (no revision {base} here)")
    before = sum(map(code_lines, earlier.values()))
    return Figure("lines of code", f"{before:,} at {base}, {now:,} now ({now / before - 1:+.1%})")


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table, and below it what misses its target."""
    table = Table("", "found", "target", box=None, pad_edge=False)
    for figure in figures:
        met = "" if not figure.target else "[red]missed[/]" if figure.offenders else "[green]met[/]"
        table.add_row(figure.name, figure.value, f"{figure.target} {met}")
    console.print(table)
    for figure in figures:
        if figure.offenders:
            console.print(f"\n[bold]{figure.name}[/] (target: {figure.target})")
            for offender in figure.offenders[:SHOWN]:
                console.print(f"  {offender}", highlight=False, soft_wrap=True)
            if len(figure.offenders) > SHOWN:
                console.print(f"  and {len(figure.offenders) - SHOWN} more")


def main() -> None:
    """Measure, print, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--base", default=BASE, help="revision to compare the lines of code with (default: %(default)s)"
    )
    arguments = parser.parse_args()
    figures = [*layout(), *sizes(), growth(arguments.base)]
    show(figures, Console(width=None if sys.stdout.isatty() else 120))
    if any(figure.offenders for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    main()
