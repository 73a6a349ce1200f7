"""``mentee round``: start a round and watch it, list rounds, show one, cancel one."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.app import open_mentee
from bot.commands.output import console, emit_json, json_option, progress_console
from bot.errors import MenteeError
from bot.settings import load_settings
from tuning.metrics import METRIC_NAMES
from tuning.round_book import UNDER_WAY, RoundBook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.app import Mentee
    from bot.store.models import RoundRow
    from tuning.rounds import RoundWorker

ACTOR = "cli:operator"
POLL_SECONDS = 0.5
NAMES = {
    "dataset": "Preparing the data",
    "train": "Training",
    "evaluate": "Answering held-out questions",
    "gate": "Comparing",
    "publish": "Publishing",
    "report": "Writing the report",
}


@click.group("round")
def round_() -> None:
    """Tuning rounds: votes and corrections become an adapter, if it proves better."""


@round_.command()
@click.option("--department", required=True, metavar="NAME", help="The department to learn for.")
@click.option("--wait", is_flag=True, help="Wait for the verdict; works on the round here when no worker does.")
@json_option
def start(department: str, *, wait: bool, as_json: bool) -> None:
    """Start a round. Exit code 0 means an honest verdict, whatever it is."""
    with closing(open_mentee(load_settings())) as mentee:
        book = RoundBook(mentee)
        row = _interrupted(book, department) if wait else None
        row = row or book.start(department, actor=ACTOR)
        if not wait:
            alive = book.worker_alive()
            note = (
                "A worker will take it up."
                if alive
                else "No worker runs: start `mentee serve` or `mentee worker --queue gpu`."
            )
            if as_json:
                emit_json({"round": row.id, "state": row.state, "worker": alive})
            else:
                console.print(f"Round [bold]{row.id}[/] is queued. {note}")
            return
        row = _watch(mentee, book, row.id)
        result = round_json(mentee, row)
    if row.state in ("failed", "cancelled"):
        raise MenteeError(
            f"Round {row.id} {row.state}: {row.reason}", hint=f"`mentee round show {row.id}` has the details."
        )
    if as_json:
        emit_json(result)
    else:
        print_round(result)


@round_.command("list")
@click.option("--department", metavar="NAME", help="Only this department's.")
@json_option
def list_(department: str | None, *, as_json: bool) -> None:
    """List rounds, newest first."""
    with closing(open_mentee(load_settings())) as mentee:
        if department is not None:
            mentee.departments.get(department)
        rows = RoundBook(mentee).all(department)
        found = [round_json(mentee, row) for row in rows]
    if as_json:
        emit_json({"rounds": found})
        return
    table = Table("round", "department", "state", "verdict", "adapter", "started", box=None, header_style="bold")
    for row in rows:
        table.add_row(
            row.id, row.department, row.state, row.verdict or "", row.adapter or "", f"{row.created_at:%Y-%m-%d %H:%M}"
        )
    console.print(table)


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def show(round_id: str, *, as_json: bool) -> None:
    """Show a round: how far it is, or its verdict, reason and report."""
    with closing(open_mentee(load_settings())) as mentee:
        result = round_json(mentee, RoundBook(mentee).get(round_id))
    if as_json:
        emit_json(result)
    else:
        print_round(result)


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def cancel(round_id: str, *, as_json: bool) -> None:
    """Cancel a round under way; nothing of it goes live."""
    with closing(open_mentee(load_settings())) as mentee:
        RoundBook(mentee).cancel(round_id, actor=ACTOR)
    if as_json:
        emit_json({"round": round_id, "state": "cancelled"})
    else:
        console.print(f"Round {round_id} is cancelled.")


def round_json(mentee: Mentee, row: RoundRow) -> dict[str, Any]:
    """Return a round as ``--json`` prints it (design §7)."""
    report = mentee.settings.artifacts_dir / "rounds" / row.id / "report.html"
    return {
        "round": row.id,
        "department": row.department,
        "state": row.state,
        "stage": row.stage,
        "verdict": row.verdict,
        "reason": row.reason,
        "metrics": row.metrics,
        "adapter": row.adapter,
        "champion": row.champion,
        "dataset": row.dataset,
        "device": row.device,
        "interruptions": row.interruptions,
        "report": str(report) if report.is_file() else None,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def print_round(result: Mapping[str, Any]) -> None:
    """Print a round for people: the verdict, why, and the metrics with their intervals."""
    colour = {"better": "green", "worse": "red", "refused": "red"}.get(result["verdict"] or "", "yellow")
    console.print(f"Round [bold]{result['round']}[/] of {result['department']}: {result['state']}")
    if result["verdict"]:
        console.print(f"Verdict: [bold {colour}]{result['verdict']}[/]")
    if result["reason"]:
        console.print(escape(result["reason"]))
    if result["metrics"]:
        console.print(metrics_table(result["metrics"]))
    for key in ("adapter", "dataset", "device", "report"):
        if result[key]:
            console.print(f"{key}: {escape(str(result[key]))}")


def metrics_table(
    metrics: Mapping[str, Mapping[str, Any]], *, champion: str = "champion", challenger: str = "challenger"
) -> Table:
    """Return the comparison as a table, the deciding metric first."""
    paired = all("challenger" in row for row in metrics.values())
    names = ["metric", champion, *([challenger, "difference"] if paired else []), "95% interval"]
    table = Table(*names, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in sorted(metrics, key=list(METRIC_NAMES).index):
        row = metrics[name]
        low, high = row["interval"]
        cells = [f"{row['champion']:.3f}"]
        if paired:
            cells += [f"{row['challenger']:.3f}", f"{row['difference']:+.3f}"]
        sign = "+" if paired else ""
        table.add_row(METRIC_NAMES[name], *cells, f"\\[{low:{sign}.3f}, {high:{sign}.3f}]")
    return table


def _interrupted(book: RoundBook, department: str) -> RoundRow | None:
    """Return the department's round that lost its worker, to be taken up instead of starting another."""
    row = next((row for row in book.all(department) if row.state in UNDER_WAY), None)
    if row is None or book.worker_alive():
        return None
    progress_console.print(f"Round {row.id} was interrupted and goes on.")
    return row


def _watch(mentee: Mentee, book: RoundBook, round_id: str) -> RoundRow:
    """Show the round's progress on stderr until it ends; work on it in this process when no other does."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
        TextColumn("{task.fields[numbers]}"), TimeElapsedColumn(),
    )  # fmt: skip
    progress = Progress(*columns, console=progress_console)
    task = progress.add_task("Waiting for a worker", total=None, numbers="")
    said, worker = "", None
    try:
        with Live(progress, console=progress_console, refresh_per_second=4, transient=True):
            while (row := book.get(round_id)).state in UNDER_WAY:
                worker = worker or _work_here(mentee, book)
                description, done, total, numbers = _state(row, book.metrics(round_id))
                progress.update(task, description=description, completed=done, total=total, numbers=numbers)
                if not progress_console.is_terminal and (line := f"{description} {numbers}".strip()) != said:
                    progress_console.print(line)
                    said = line
                time.sleep(POLL_SECONDS)
    finally:
        if worker is not None:
            worker.shut_down()
    return row


def _work_here(mentee: Mentee, book: RoundBook) -> RoundWorker | None:
    if book.worker_alive():
        return None
    from tuning.rounds import RoundWorker

    worker = RoundWorker(mentee, schedule=False)
    worker.launch()
    return worker


def _state(row: RoundRow, metrics: Mapping[str, list[tuple[int, float]]]) -> tuple[str, int, int | None, str]:
    description = NAMES.get(row.stage, "Waiting for a worker")
    phases = [name.removesuffix(".steps") for name in metrics if name.endswith(".steps")]
    phases = [phase for phase in phases if (phase == "evaluate") == (row.stage == "evaluate")]
    if row.stage not in ("train", "evaluate") or not phases:
        return description, 0, None, ""
    phase = max(phases, key=lambda name: (name != "sft", metrics[f"{name}.steps"][-1][0]))
    step, total = metrics[f"{phase}.steps"][-1]
    parts = [f"{step}/{total:.0f}"]
    for name, form in (("loss", "loss {:.3f}"), ("tokens_per_second", "{:.0f} tok/s"), ("eta_seconds", "{}")):
        if values := metrics.get(f"{phase}.{name}"):
            value = values[-1][1]
            parts.append(
                f"ETA {time.strftime('%M:%S', time.gmtime(value))}" if name == "eta_seconds" else form.format(value)
            )
    if row.device:
        parts.append(f"on {row.device.partition(':')[0]}")
    shown = description if phase == "evaluate" else f"{description} ({phase.upper()})"
    return shown, step, int(total), " · ".join(parts)
