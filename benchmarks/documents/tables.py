"""The table set: 40 small documents around one table each, made from a fixed seed in every format that has a writer.

Ten are scans, ten have rules, the others have none, merged cells, cells of several lines, columns of prose beside them,
or a page break within. What a person sees is known: the prose, and each cell with its row and its header.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["ruled", "unruled", "merged", "multiline", "columns", "cut"]
Look = Literal["grid", "dark", "booktabs", "plain", "zebra"]
Area = tuple[int, int, int, int]
"""A merged cell: its first row and column, and how many rows and columns it spans."""

CITIES = (
    *("Vienna", "Paris", "Berlin", "Rome", "Madrid", "Lisbon", "Oslo", "Dublin", "Prague", "Warsaw"),
    *("Athens", "Zürich", "Málaga", "Kraków", "Tallinn", "Riga", "Porto", "Ghent", "Lyon", "Graz"),
    *("Turin", "Bergen", "Leeds", "Basel", "Nantes", "Bilbao", "Tartu", "Gdynia", "Brno", "Split"),
)
REGIONS = ("EMEA", "Americas", "Nordics", "Asia Pacific")
GRADES = ("Junior", "Senior", "Lead", "Principal", "Director", "Partner")
SENTENCES = (
    "Ask your manager before you book anything that costs more than the amounts below.",
    "Receipts are kept for seven years and may be asked for at any time.",
    "The amounts hold for one person and one night, taxes included.",
    "Whoever travels with a colleague may share a car but not a room.",
    "An exception needs the written consent of the head of finance.",
    "Questions go to the travel desk, which answers within two working days.",
    "Allowances are reviewed in January and in July of each year.",
    "Advance payments are settled with the first expense report after the journey.",
    "Employees on secondment follow the rules of the country where they work.",
    "Days of arrival and departure count as half days for meals.",
)
NOTES = (
    "Breakfast is included; lunch is paid by the host where there is one",
    "Only with the consent of the department that bears the costs",
    "Book four weeks ahead, because the fair takes place in spring",
    "Ask the local office for its list of partner hotels first",
    "Not valid during the summer conference and the week before it",
)


@dataclass(frozen=True, slots=True)
class TableCase:
    """A document with one table.

    :param heads: how many of the rows from the top are its header.
    :param grid: all rows as written; a cell that a merged cell covers is empty.
    :param look: how it is drawn; ``grid`` and ``dark`` (white on a coloured header) have rules.
    :param columns: whether the prose runs in two columns.
    :param before: rows of prose above the table, which decide where the page breaks.
    """

    name: str
    kind: Kind
    title: str
    heads: int
    grid: tuple[tuple[str, ...], ...]
    areas: tuple[Area, ...] = ()
    look: Look = "grid"
    prose: tuple[str, ...] = ()
    columns: bool = False
    before: int = 0
    scanned: bool = False

    @property
    def seen(self) -> tuple[tuple[str, ...], ...]:
        """The rows as a person reads them: a merged cell counts in each place that it spans."""
        rows = [list(row) for row in self.grid]
        for top, left, down, across in self.areas:
            for row in range(top, top + down):
                rows[row][left : left + across] = [rows[top][left]] * across
        return tuple(map(tuple, rows))

    @property
    def facts(self) -> tuple[tuple[str, str, str], ...]:
        """Each cell below the header as (first cell of its row or, for a merged one, its own, header, text)."""
        rows = self.seen
        names = [" ".join(dict.fromkeys(row[c] for row in rows[: self.heads] if row[c])) for c in range(len(rows[0]))]
        key = 1 if self.kind == "merged" else 0
        return tuple(
            (row[key], names[column], text) for row in rows[self.heads :] for column, text in enumerate(row) if text
        )


def table_set(seed: int = 15) -> list[TableCase]:
    """Return the 40 documents, the same for each seed."""
    draw = random.Random(seed)
    looks: tuple[Look, ...] = ("grid", "dark", "grid", "dark", "grid")
    bare: tuple[Look, ...] = ("plain", "booktabs", "zebra", "plain", "booktabs", "plain")
    cases = [_simple(draw, f"ruled-{n}", "ruled", looks[n % 5]) for n in range(10)]
    cases += [_simple(draw, f"unruled-{n}", "unruled", bare[n]) for n in range(6)]
    cases += [_merged(draw, f"merged-{n}", two_heads=n % 2 == 1) for n in range(5)]
    cases += [_multiline(draw, f"multiline-{n}", ruled=n % 2 == 0) for n in range(4)]
    cases += [
        replace(_simple(draw, f"columns-{n}", "columns", "grid", width=3), columns=True, before=5) for n in range(2)
    ]
    cases += [_cut(draw, f"cut-{n}", look) for n, look in enumerate(("grid", "plain", "dark"))]
    scans = [_simple(draw, f"scan-ruled-{n}", "ruled", looks[n]) for n in range(4)]
    scans += [_simple(draw, f"scan-unruled-{n}", "unruled", bare[n]) for n in range(2)]
    scans += [_merged(draw, f"scan-merged-{n}", two_heads=n % 2 == 1) for n in range(2)]
    scans += [_multiline(draw, f"scan-multiline-{n}", ruled=n == 0) for n in range(2)]
    return cases + [replace(scan, scanned=True) for scan in scans]


def _prose(draw: random.Random, count: int = 3) -> tuple[str, ...]:
    return tuple(" ".join(draw.sample(SENTENCES, 3)) for _ in range(count))


def _money(draw: random.Random) -> str:
    return draw.choice((f"{draw.randint(40, 950)}", f"{draw.randint(1, 9)},{draw.randint(100, 999)}.50"))


def _simple(draw: random.Random, name: str, kind: Kind, look: Look, width: int = 0) -> TableCase:
    heads = ("City", "Hotel per night", "Meals", "Cost centre", "Valid from")[: width or draw.randint(3, 5)]
    rows = [
        (city, _money(draw), _money(draw), f"CC-{draw.randint(100, 999)}", f"2026-0{draw.randint(1, 9)}-01")
        for city in draw.sample(CITIES, draw.randint(4, 12))
    ]
    grid = (heads, *(row[: len(heads)] for row in rows))
    return TableCase(name, kind, f"Allowances {name}", 1, grid, look=look, prose=_prose(draw))


def _merged(draw: random.Random, name: str, *, two_heads: bool) -> TableCase:
    heads = [("Region", "City", "Rates", ""), ("", "", "Hotel", "Meals")] if two_heads else []
    heads = heads or [("Region", "City", "Hotel", "Meals")]
    areas: list[Area] = [(0, 0, 2, 1), (0, 1, 2, 1), (0, 2, 1, 2)] if two_heads else []
    grid, cities = list(heads), draw.sample(CITIES, 12)
    for region in draw.sample(REGIONS, 3):
        count = draw.randint(2, 4)
        areas.append((len(grid), 0, count, 1))
        names = (region, *[""] * (count - 1))
        grid += [(shown, cities.pop(), _money(draw), _money(draw)) for shown in names]
    return TableCase(name, "merged", f"Regions {name}", len(heads), tuple(grid), tuple(areas), prose=_prose(draw))


def _multiline(draw: random.Random, name: str, *, ruled: bool) -> TableCase:
    rows = [(grade, draw.choice(NOTES), _money(draw)) for grade in draw.sample(GRADES, 5)]
    grid = (("Grade", "Condition", "Limit"), *rows)
    look: Look = "grid" if ruled else "plain"
    return TableCase(name, "multiline", f"Grades {name}", 1, grid, look=look, prose=_prose(draw))


def _cut(draw: random.Random, name: str, look: Look) -> TableCase:
    rows = [(city, _money(draw), _money(draw), f"CC-{draw.randint(100, 999)}") for city in CITIES]
    grid = (("City", "Hotel per night", "Meals", "Code"), *rows)
    return TableCase(name, "cut", f"Long list {name}", 1, grid, look=look, prose=_prose(draw), before=4)
