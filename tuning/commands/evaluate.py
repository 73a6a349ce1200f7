"""``mentee eval``: score an adapter on questions with reference answers, alone or against another."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.domain.errors import InputFileError, MenteeError
from bot.storage.artifacts import write_atomically
from bot.storage.jsonl import read_rows
from tuning import services
from tuning.commands.keyfacts import evaluate_facts
from tuning.commands.rounds import metrics_table
from tuning.evaluation.compare import summarise
from tuning.evaluation.gate import PRIMARY, PROMOTED, decide
from tuning.rounds.registry import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.access.departments import Department
    from bot.hooks.instance import Instance
    from tuning.evaluation.answers import Side
    from tuning.rounds.registry import Registry

Answers = dict[str, list[dict[str, Any]]]


@click.command("eval")
@click.option("--department", metavar="NAME", help="Department. Optional with --keyfacts if each row names one.")
@click.option("--adapter", metavar="VERSION", help='Version to measure, or "base". Default: the champion.')
@click.option("--against", metavar="VERSION", help='Version to compare it with, or "base".')
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Questions to use. Default: the held-out ones.",
)
@click.option("--keyfacts", is_flag=True, help="Score complete answers: key facts, cited pages and refusals.")
@json_option
def evaluate(  # noqa: PLR0913 - one parameter for each option
    department: str | None,
    adapter: str | None,
    against: str | None,
    questions: Path | None,
    *,
    keyfacts: bool,
    as_json: bool,
) -> None:
    """Measure an adapter on questions with reference answers, and compare it with another.

    Each row of --questions is {"question", "reference", "department"?}. Rows of other departments are ignored.

    With --keyfacts, each question is answered as in real use, including retrieval. Rows are then {"question",
    "answerable", "key_facts", "section_ids", "department"?, "history"?}, and --adapter and --against can also be
    "quotation".
    """
    if keyfacts:
        if questions is None:
            raise click.UsageError("--keyfacts needs --questions FILE.jsonl.")
        evaluate_facts(questions, department=department, adapter=adapter, against=against, as_json=as_json)
        return
    if department is None:
        raise click.UsageError("Give --department NAME.")
    with opened() as instance:
        found = instance.departments.get(department)
        rows = _from_file(instance, found, questions) if questions else _held_out(instance, found)
        adapter = adapter or services.answering(instance, department) or BASE
        names = {"champion": against, "challenger": adapter} if against else {"champion": adapter}
        answers = _answer(instance, department, rows, names)
        result = _compared(found, answers) | {"department": department, "adapter": adapter, "against": against}
    if as_json:
        emit_json(result)
    else:
        _print(result)


def _from_file(instance: Instance, department: Department, path: Path) -> list[dict[str, Any]]:
    from tuning.data.dedup import cluster
    from tuning.data.prompts import Asked

    rows = read_rows(path, required=("question", "reference"))
    for row in rows:
        if other := row.optional_text("department"):
            instance.departments.get(other)
    kept = [row for row in rows if row.optional_text("department") in (None, department.name)]
    if not kept:
        raise InputFileError(
            f"{path} has no row for department {department.name!r}.", hint="Choose another --department."
        )
    prompts = services.prompts(instance, department)
    clusters = cluster(row.text("question") for row in kept)
    return [
        {
            "id": f"{number:05d}",
            "messages": [
                asdict(message)
                for message in prompts(Asked(row.text("question")), row.text("reference"), learned=False)
            ],
            "reference": row.text("reference"),
            "cluster": clusters[row.text("question")],
        }
        for number, row in enumerate(kept, start=1)
    ]


def _held_out(instance: Instance, department: Department) -> list[dict[str, Any]]:
    rows = services.datasets(instance).held_out(department)
    if not rows:
        raise MenteeError(
            f"Department {department.name!r} has no held-out questions yet. Its first round sets them aside.",
            hint="Give --questions FILE.jsonl, or start a round.",
        )
    return rows


def _answer(
    instance: Instance, department: str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Answers:
    """Generate each side's answers in a child process and return them with their scores."""
    from tuning.evaluation.answers import EvaluateJob
    from tuning.evaluation.privacy import scored_answers
    from tuning.rounds import processes

    registry, settings = services.registry(instance), instance.settings
    sides = tuple(_side(registry, department, name, version) for name, version in names.items())
    with (
        tempfile.TemporaryDirectory(prefix="mentee-eval-") as folder,
        Progress(console=progress_console, transient=True) as progress,
    ):
        work = Path(folder)
        write_atomically(work / "questions.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        EvaluateJob(
            model=str(registry.base_path()),
            sides=sides,
            questions=str(work / "questions.jsonl"),
            out=folder,
            cache=str(settings.artifacts_dir / "answers"),
            progress=str(work / "progress.jsonl"),
            max_new_tokens=settings.model.max_new_tokens,
            dtype=settings.model.dtype,
            threads=settings.model.threads,
            refusal_chance=instance.departments.get(department).answers.refusal_chance(),
        ).write(work / "job.json")
        task = progress.add_task("Answering", total=len(sides) * len(rows))

        def tell(line: Mapping[str, Any]) -> None:
            if "step" in line:
                progress.update(task, completed=line["step"])
            elif "device" in line:
                progress_console.print(f"[dim]On {line['device']} ({line['reason']})[/]")

        processes.run("tuning.evaluation.answers", work / "job.json", work / "progress.jsonl", on_progress=tell)
        return scored_answers(work, tuple(names), plugins=instance.plugins, department=department)


def _side(registry: Registry, department: str, name: str, version: str) -> Side:
    from tuning.evaluation.answers import Side
    from tuning.rounds.registry import check_sound

    if version == BASE:
        return Side(name, BASE)
    path = registry.path(registry.get(department, version).version)
    check_sound(path, registry.base())
    return Side(name, version, str(path))


def _compared(department: Department, answers: Answers) -> dict[str, Any]:
    clusters = [row["cluster"] for row in answers["champion"]]
    scores = {side: [row["scores"] for row in rows] for side, rows in answers.items()}
    if "challenger" not in scores:
        means = summarise(scores["champion"], clusters)
        metrics = {name: {"champion": row.mean, "interval": list(row.interval)} for name, row in means.items()}
        return {"metrics": metrics, "n": len(clusters)}
    minimum = min(department.tuning.min_questions, len(clusters))
    decision = decide(scores["champion"], scores["challenger"], clusters, minimum=minimum)
    return {
        "metrics": decision.metrics_json(),
        "n": decision.n,
        "verdict": decision.verdict,
        "reason": decision.reason.replace(PROMOTED, "The challenger is better."),
    }


def _print(result: Mapping[str, Any]) -> None:
    adapter, against = result["adapter"], result["against"]
    if against is None:
        console.print(f"[bold]{adapter}[/] on {result['n']} questions of {result['department']}")
        console.print(metrics_table(result["metrics"], champion=adapter))
        return
    console.print(f"[bold]{adapter}[/] against [bold]{against}[/] on {result['n']} questions of {result['department']}")
    console.print(metrics_table(result["metrics"], champion=f"{against} (against)", challenger=adapter))
    won = {"better": f"[green]{adapter} won[/]", "worse": f"[red]{against} won[/]"}
    low, high = result["metrics"][PRIMARY]["interval"]
    said = won.get(result["verdict"], "Nobody won")
    console.print(f"[bold]{said}[/] on ROUGE-L, 95% interval \\[{low:+.3f}, {high:+.3f}]: {result['verdict']}.")
