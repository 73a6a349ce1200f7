"""``mentee round``: start, watch, list, show and cancel rounds, and approve or reject what they trained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, id_column, json_option, progress_console
from bot.domain.errors import MenteeError
from bot.inference.active_adapters import CACHE_SECONDS
from tuning import services
from tuning.evaluation.metrics import METRIC_NAMES
from tuning.rounds.store import UNDER_WAY
from tuning.rounds.summaries import screening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.hooks.instance import Instance
    from bot.storage.tables.training import RoundRow
    from tuning.rounds.store import RoundStore
    from tuning.rounds.worker import RoundWorker

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
    """Train adapters from votes and corrections."""


@round_.command()
@click.option("--department", required=True, metavar="NAME", help="Department to train for.")
@click.option("--wait", is_flag=True, help="Wait for the verdict, and run the round here if no worker does.")
@json_option
def start(department: str, *, wait: bool, as_json: bool) -> None:
    """Start a round. Exits with 0 if it reaches a verdict, whichever it is.

    With --wait, a better adapter is live everywhere when the command returns, unless tuning.approval is "operator".
    """
    with opened() as instance:
        rounds = services.rounds(instance)
        row = _interrupted(rounds, department) if wait else None
        row = row or rounds.start(department, actor=ACTOR)
        if not wait:
            alive = rounds.worker_alive()
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
        row = _watch(instance, rounds, row.id)
        if row.verdict == "better" and row.approval is None:
            time.sleep(CACHE_SECONDS)  # then every process answers with the new adapter
        result = round_json(instance, row)
    if row.state in ("failed", "cancelled"):
        raise MenteeError(
            f"Round {row.id} {row.state}: {row.reason}", hint=f"`mentee round show {row.id}` has the details."
        )
    if as_json:
        emit_json(result)
    else:
        print_round(result)


@round_.command("list")
@click.option("--department", metavar="NAME", help="Only this department.")
@json_option
def list_(department: str | None, *, as_json: bool) -> None:
    """List rounds, newest first."""
    with opened() as instance:
        if department is not None:
            instance.departments.get(department)
        rows = services.rounds(instance).all(department)
        found = [round_json(instance, row) for row in rows]
    if as_json:
        emit_json({"rounds": found})
        return
    state = Column("state", no_wrap=True)  # which must be read whole, even on a narrow screen
    table = Table(
        id_column("round"), "department", state, "verdict", "adapter", "started", box=None, header_style="bold"
    )
    for row in rows:
        table.add_row(
            row.id,
            row.department,
            state_of(row),
            row.verdict or "",
            row.adapter or "",
            f"{row.created_at:%Y-%m-%d %H:%M}",
        )
    console.print(table)


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def show(round_id: str, *, as_json: bool) -> None:
    """Show a round's progress, or its verdict, reason and report."""
    with opened() as instance:
        result = round_json(instance, services.rounds(instance).get(round_id))
    if as_json:
        emit_json(result)
    else:
        print_round(result)


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def cancel(round_id: str, *, as_json: bool) -> None:
    """Cancel a running round. Nothing of it goes live."""
    with opened() as instance:
        services.rounds(instance).cancel(round_id, actor=ACTOR)
    if as_json:
        emit_json({"round": round_id, "state": "cancelled"})
    else:
        console.print(f"Round {round_id} is cancelled.")


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def approve(round_id: str, *, as_json: bool) -> None:
    """Approve the better adapter of a round, so that it goes live (with tuning.approval = "operator")."""
    with opened() as instance:
        row = services.approvals(instance).approve(round_id, actor=ACTOR)
    time.sleep(CACHE_SECONDS)
    if as_json:
        emit_json({"round": round_id, "approval": "approved", "adapter": row.adapter})
    else:
        console.print(f"Round {round_id} is approved: {row.adapter} is live.")


@round_.command()
@click.argument("round_id", metavar="ID")
@json_option
def reject(round_id: str, *, as_json: bool) -> None:
    """Reject the better adapter of a round. The champion stays."""
    with opened() as instance:
        services.approvals(instance).reject(round_id, actor=ACTOR)
    if as_json:
        emit_json({"round": round_id, "approval": "rejected"})
    else:
        console.print(f"Round {round_id} is rejected. The champion stays.")


def state_of(row: RoundRow) -> str:
    """Return a round's state in words, with the decision that it waits for or that was made."""
    decision = "waits for approval" if row.approval == "waiting" else row.approval
    return f"{row.state}, {decision}" if decision else row.state


def round_json(instance: Instance, row: RoundRow) -> dict[str, Any]:
    """Return a round as ``--json`` prints it."""
    report = instance.settings.artifacts_dir / "rounds" / row.id / "report.html"
    return {
        "round": row.id,
        "department": row.department,
        "state": row.state,
        "stage": row.stage,
        "verdict": row.verdict,
        "reason": row.reason,
        "metrics": row.metrics,
        "adapter": row.adapter,
        "approval": row.approval,
        "champion": row.champion,
        "dataset": row.dataset,
        "screening": screening(row.results),
        "device": row.device,
        "interruptions": row.interruptions,
        "report": str(report) if report.is_file() else None,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def print_round(result: Mapping[str, Any]) -> None:
    """Print the verdict, its reason, and the metrics with their intervals."""
    colour = {"better": "green", "worse": "red", "refused": "red"}.get(result["verdict"] or "", "yellow")
    console.print(f"Round [bold]{result['round']}[/] of {result['department']}: {result['state']}")
    if result["verdict"]:
        console.print(f"Verdict: [bold {colour}]{result['verdict']}[/]")
    if result["reason"]:
        console.print(escape(result["reason"]))
    if result["metrics"]:
        console.print(metrics_table(result["metrics"]))
    if found := result["screening"]:
        numbers = ", ".join(f"{number} {name}" for name, number in found.items() if name != "reasons")
        why = "; ".join(f"{number} {reason}" for reason, number in found["reasons"].items())
        console.print(f"data: {numbers}" + (f" ({escape(why)})" if why else ""))
    if result["approval"] == "waiting":
        console.print(f"It waits for `mentee round approve {result['round']}` or `reject`.")
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


def _interrupted(rounds: RoundStore, department: str) -> RoundRow | None:
    """Return the department's unfinished round if no worker is running, to continue it instead of starting another."""
    row = next((row for row in rounds.all(department) if row.state in UNDER_WAY), None)
    if row is None or rounds.worker_answers():
        return None
    progress_console.print(f"Round {row.id} was interrupted and resumes.")
    return row


def _watch(instance: Instance, rounds: RoundStore, round_id: str) -> RoundRow:
    """Show the round's progress on stderr until it ends. If no worker is running, run one in this process."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
        TextColumn("{task.fields[numbers]}"), TimeElapsedColumn(),
    )  # fmt: skip
    progress = Progress(*columns, console=progress_console)
    task = progress.add_task("Waiting for a worker", total=None, numbers="")
    said, worker = "", None
    try:
        with Live(progress, console=progress_console, refresh_per_second=4, transient=True):
            while (row := rounds.get(round_id)).state in UNDER_WAY:
                worker = worker or _work_here(instance, rounds)
                description, done, total, numbers = _state(row, rounds.metrics(round_id))
                progress.update(task, description=description, completed=done, total=total, numbers=numbers)
                if not progress_console.is_terminal and (line := f"{description} {numbers}".strip()) != said:
                    progress_console.print(line)
                    said = line
                time.sleep(POLL_SECONDS)
    finally:
        if worker is not None:
            worker.shut_down()
    return row


def _work_here(instance: Instance, rounds: RoundStore) -> RoundWorker | None:
    if rounds.worker_alive():
        return None
    worker = services.round_worker(instance)
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
