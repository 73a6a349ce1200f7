"""Tables of figures and of questions, on the page and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bot.domain.outcomes.deciding import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.domain.outcomes.figures import Figures
    from bot.feedback.outcomes.ledger import Listed, Report

COLUMNS = ("asked", *(outcome.value for outcome in Outcome))
"""The figures in each row of a table."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula in a spreadsheet, in full width too."""


def figures_csv(report: Report) -> str:
    """Return the figures of each period, department, channel and adapter as CSV."""
    shares = (f"{outcome.value} share{part}" for outcome in Outcome if outcome is not Outcome.OPEN for part in _PARTS)
    rows: list[Sequence[object]] = [("group", "name", *COLUMNS, "settled", *shares)]
    groups: Sequence[tuple[str, Mapping[str, Figures]]] = (
        ("all", {"": report.total}),
        ("period", {day.isoformat(): each for day, each in report.steps.items()}),
        ("department", report.departments),
        ("channel", report.channels),
        ("adapter", report.adapters),
    )
    for group, members in groups:
        rows += [(group, name, *_cells(each)) for name, each in members.items()]
    return _written(rows)


def questions_csv(listed: Iterable[Listed]) -> str:
    """Return questions as CSV: without who asked, and without the texts that the reader may not see."""
    rows: list[Sequence[object]] = [("question", "asked_at", "department", "channel", "adapter", "outcome", "text")]
    for each in listed:
        facts = each.question.facts
        where = (facts.department, facts.channel, facts.adapter)
        asked = facts.asked_at.isoformat(timespec="seconds")
        rows.append((facts.question_id, asked, *where, each.question.outcome.value, each.text or ""))
    return _written(rows)


_PARTS = ("", " low", " high")


def _cells(figures: Figures) -> list[object]:
    cells: list[object] = [figures.counts[name] for name in COLUMNS]
    cells.append(figures.settled["asked"])
    for outcome in Outcome:
        if outcome is not Outcome.OPEN:
            share = figures.share(outcome.value)
            cells += [""] * 3 if share.value is None else [f"{each:.4f}" for each in (share.value, *share.interval)]
    return cells


def _written(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULAS) else cell
