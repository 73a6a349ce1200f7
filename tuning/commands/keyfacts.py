"""``mentee eval --keyfacts``: score complete answers by key facts, cited pages and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import Progress
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, progress_console
from bot.domain.errors import InputFileError
from bot.domain.generation import AdapterRef
from tuning import services
from tuning.data.dedup import cluster
from tuning.evaluation.compare import compare, summarise
from tuning.evaluation.keyfacts import (
    FACT_METRICS,
    Pinned,
    Silent,
    ask_all,
    for_department,
    read_fact_questions,
    score_facts,
)
from tuning.rounds.registry import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuning.evaluation.keyfacts import FactQuestion

QUOTATION = "quotation"
"""Names the instance without a model: the best passage is quoted."""
CHAMPIONS = "champions"

Scores = list["Mapping[str, float | None]"]


def evaluate_facts(
    path: Path, *, department: str | None, adapter: str | None, against: str | None, as_json: bool
) -> None:
    """Ask every question in the file and print the metrics with intervals, for one side or as a paired comparison.

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
    parts = {
        "engine": Silent() if side == QUOTATION else None,
        "active_adapters": Pinned(_adapter(department, side)) if side is not None else None,
    }
    with opened(**parts) as instance, Progress(console=progress_console, transient=True) as progress:
        task = progress.add_task(f"Asking ({side or CHAMPIONS})", total=len(questions))
        answers = ask_all(instance, questions, lambda done: progress.update(task, completed=done))
    return [score_facts(question, answer) for question, answer in zip(questions, answers, strict=True)]


def _adapter(department: str | None, side: str) -> AdapterRef | None:
    if side in (BASE, QUOTATION):
        return None
    if department is None:
        raise InputFileError(
            f"The adapter {side!r} belongs to a department, but no department was given.",
            hint="Give --department NAME.",
        )
    with opened() as instance:
        registry = services.registry(instance)
        row = registry.get(department, side)
    return AdapterRef(row.version, registry.path(row.version), row.base_model, starter=row.round_id is None)


def _alone(scores: Scores, clusters: Sequence[str]) -> dict[str, Any]:
    found = summarise(scores, clusters)
    rows = {name: found[name] for name in FACT_METRICS if name in found}
    return {name: {"champion": row.mean, "interval": list(row.interval), "n": row.n} for name, row in rows.items()}


def _compared(scores: Mapping[str, Scores], clusters: Sequence[str]) -> dict[str, Any]:
    found = compare(scores["champion"], scores["challenger"], clusters)
    return {name: found[name].as_json() for name in FACT_METRICS if name in found}


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
