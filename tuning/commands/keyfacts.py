"""``mentee eval --keyfacts``: whole answers against key facts, cited pages and refusals."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress
from rich.table import Table

from bot.app import open_mentee
from bot.commands.output import console, emit_json, progress_console
from bot.errors import InputFileError
from bot.protocols import AdapterRef
from bot.settings import load_settings
from tuning.clusters import cluster
from tuning.gate import compare, interval
from tuning.keyfacts import FACT_METRICS, Pinned, Silent, ask_all, for_department, read_fact_questions, score_facts
from tuning.registry import BASE, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bot.app import Mentee
    from tuning.keyfacts import FactQuestion

QUOTATION = "quotation"
"""Names the instance without a model: the best passage is quoted."""
CHAMPIONS = "champions"

Scores = list["Mapping[str, float | None]"]


def evaluate_facts(
    path: Path, *, department: str | None, adapter: str | None, against: str | None, as_json: bool
) -> None:
    """Ask every question of the file and print the metrics with intervals, alone or as a paired comparison.

    :param adapter: a version, ``base``, ``quotation``, or ``None`` for each department's champion.
    :raises InputFileError: no row is for the department.
    """
    questions = for_department(read_fact_questions(path), department)
    if not questions:
        raise InputFileError(f"{path} has no row for department {department!r}.", hint="Choose another --department.")
    sides = {"champion": against, "challenger": adapter} if against else {"champion": adapter}
    scores = {name: _scores(questions, department, side) for name, side in sides.items()}
    names = cluster(question.text for question in questions)
    clusters = [names[question.text] for question in questions]
    metrics = _compared(scores, clusters) if against else _alone(scores["champion"], clusters)
    result = {
        "metrics": metrics,
        "n": len(questions),
        "department": department,
        "adapter": adapter or CHAMPIONS,
        "against": against,
    }
    if as_json:
        emit_json(result)
    else:
        _print(result)


def _scores(questions: Sequence[FactQuestion], department: str | None, side: str | None) -> Scores:
    settings = load_settings()
    with (
        closing(open_mentee(settings, engine=Silent() if side == QUOTATION else None)) as mentee,
        Progress(console=progress_console, transient=True) as progress,
    ):
        if side is not None:
            mentee.__dict__["champions"] = Pinned(_adapter(mentee, department, side))
        task = progress.add_task(f"Asking ({side or CHAMPIONS})", total=len(questions))
        answers = ask_all(mentee, questions, lambda done: progress.update(task, completed=done))
    return [score_facts(question, answer) for question, answer in zip(questions, answers, strict=True)]


def _adapter(mentee: Mentee, department: str | None, side: str) -> AdapterRef | None:
    if side in (BASE, QUOTATION):
        return None
    if department is None:
        raise InputFileError(
            f"The adapter {side!r} belongs to one department, and none is given.", hint="Give --department NAME."
        )
    row = Registry(mentee).get(department, side)
    return AdapterRef(row.version, mentee.champions.path(row.version), row.base_model, starter=row.round_id is None)


def _alone(scores: Scores, clusters: Sequence[str]) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for name in FACT_METRICS:
        kept = [(row[name], group) for row, group in zip(scores, clusters, strict=True) if row[name] is not None]
        if kept:
            values = np.array([value for value, _ in kept], dtype=float)
            bounds = interval(values, [group for _, group in kept])
            metrics[name] = {"champion": float(values.mean()), "interval": list(bounds), "n": len(kept)}
    return metrics


def _compared(scores: Mapping[str, Scores], clusters: Sequence[str]) -> dict[str, Any]:
    found = compare(scores["champion"], scores["challenger"], clusters)
    return {
        name: {
            "champion": found[name].champion,
            "challenger": found[name].challenger,
            "difference": found[name].difference,
            "interval": list(found[name].interval),
            "n": found[name].n,
        }
        for name in FACT_METRICS
        if name in found
    }


def _print(result: Mapping[str, Any]) -> None:
    against = result["against"]
    console.print(
        f"[bold]{result['adapter']}[/]{f' against [bold]{against}[/]' if against else ''}: {result['n']} questions"
    )
    names = [f"{against} (against)", result["adapter"], "difference"] if against else [result["adapter"]]
    table = Table("", *names, "95% interval", "n", box=None, header_style="bold")
    for name, row in result["metrics"].items():
        cells = [f"{row['champion']:.3f}"]
        if against:
            cells += [f"{row['challenger']:.3f}", f"{row['difference']:+.3f}"]
        sign = "+" if against else ""
        low, high = row["interval"]
        table.add_row(FACT_METRICS[name], *cells, f"\\[{low:{sign}.3f}, {high:{sign}.3f}]", str(row["n"]))
    console.print(table)
