"""``mentee eval``: measure an adapter on questions with reference answers, alone or against another."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.progress import Progress

from bot.app import open_mentee
from bot.artifacts import write_atomically
from bot.commands.output import console, emit_json, json_option, progress_console
from bot.errors import InputFileError, MenteeError
from bot.rows import read_rows
from bot.settings import load_settings
from tuning.commands.keyfacts import evaluate_facts
from tuning.commands.rounds import metrics_table
from tuning.gate import PRIMARY, decide, interval
from tuning.registry import BASE, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.app import Mentee
    from bot.departments import Department
    from tuning.evaluate import Side

Answers = dict[str, list[dict[str, Any]]]


@click.command("eval")
@click.option("--department", metavar="NAME", help="The department; with --keyfacts each row's own when left out.")
@click.option("--adapter", metavar="VERSION", help='Version to measure, or "base"; default: the champion.')
@click.option("--against", metavar="VERSION", help='Version to compare it with, or "base".')
@click.option("--questions", type=click.Path(path_type=Path), metavar="FILE.jsonl", help="Default: the held-out ones.")
@click.option("--keyfacts", is_flag=True, help="Score whole answers by key facts, cited pages and refusals.")
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
    """Measure an adapter on questions with reference answers, and say who won.

    A row of --questions is {"question", "reference", "department"?}; rows of other departments are left out. With
    --keyfacts, questions go the whole way of a message, retrieval included, and a row is {"question", "answerable",
    "key_facts", "section_ids", "department"?, "history"?}; --adapter and --against may also be "quotation".
    """
    if keyfacts:
        if questions is None:
            raise click.UsageError("--keyfacts needs --questions FILE.jsonl.")
        evaluate_facts(questions, department=department, adapter=adapter, against=against, as_json=as_json)
        return
    if department is None:
        raise click.UsageError("Give --department NAME.")
    with closing(open_mentee(load_settings())) as mentee:
        found = mentee.departments.get(department)
        rows = _from_file(mentee, found, questions) if questions else _held_out(mentee, found)
        adapter = adapter or _answering(mentee, department)
        names = {"champion": against, "challenger": adapter} if against else {"champion": adapter}
        answers = _answer(mentee, department, rows, names)
        result = _judge(found, answers) | {"department": department, "adapter": adapter, "against": against}
    if as_json:
        emit_json(result)
    else:
        _print(result)


def _answering(mentee: Mentee, department: str) -> str:
    champion = mentee.champions.get(department, reading=mentee.retriever.has_documents(department))
    return champion.version if champion else BASE


def _from_file(mentee: Mentee, department: Department, path: Path) -> list[dict[str, Any]]:
    from tuning.clusters import cluster
    from tuning.prompts import ServedPrompts

    rows = read_rows(path, required=("question", "reference"))
    for row in rows:
        if other := row.optional_text("department"):
            mentee.departments.get(other)
    kept = [row for row in rows if row.optional_text("department") in (None, department.name)]
    if not kept:
        raise InputFileError(
            f"{path} has no row for department {department.name!r}.", hint="Choose another --department."
        )
    prompts = ServedPrompts(mentee, department)
    clusters = cluster(row.text("question") for row in kept)
    return [
        {
            "id": f"{number:05d}",
            "messages": [asdict(message) for message in prompts.of_text(row.text("question"), row.text("reference"))],
            "reference": row.text("reference"),
            "cluster": clusters[row.text("question")],
        }
        for number, row in enumerate(kept, start=1)
    ]


def _held_out(mentee: Mentee, department: Department) -> list[dict[str, Any]]:
    from tuning.dataset import held_out_rows
    from tuning.prompts import ServedPrompts

    prompts = ServedPrompts(mentee, department)
    rows = held_out_rows(mentee.store, department.name, plugins=mentee.plugins, prompt_for=prompts)
    if not rows:
        raise MenteeError(
            f"Department {department.name!r} has no held-out questions yet; its first round sets them aside.",
            hint="Give --questions FILE.jsonl, or start a round.",
        )
    return rows


def _answer(mentee: Mentee, department: str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Answers:
    """Let each side answer, in a child process, and return the judged answers."""
    from tuning import children
    from tuning.evaluate import EvaluateJob
    from tuning.stages import judged

    registry, settings = Registry(mentee), mentee.settings
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
            refusal_chance=mentee.departments.get(department).answers.refusal_chance(),
        ).write(work / "job.json")
        task = progress.add_task("Answering", total=len(sides) * len(rows))

        def tell(line: Mapping[str, Any]) -> None:
            if "step" in line:
                progress.update(task, completed=line["step"])
            elif "device" in line:
                progress_console.print(f"[dim]On {line['device']} ({line['reason']})[/]")

        children.run("tuning.evaluate", work / "job.json", work / "progress.jsonl", on_progress=tell)
        return judged(mentee, department, work, tuple(names))


def _side(registry: Registry, department: str, name: str, version: str) -> Side:
    from tuning.evaluate import Side
    from tuning.registry import check_sound

    if version == BASE:
        return Side(name, BASE)
    path = registry.path(registry.get(department, version).version)
    check_sound(path, registry.base())
    return Side(name, version, str(path))


def _judge(department: Department, answers: Answers) -> dict[str, Any]:
    clusters = [row["cluster"] for row in answers["champion"]]
    scores = {side: [row["scores"] for row in rows] for side, rows in answers.items()}
    if "challenger" not in scores:
        return {"metrics": _alone(scores["champion"], clusters), "n": len(clusters)}
    minimum = min(department.tuning.min_questions, len(clusters))
    decision = decide(scores["champion"], scores["challenger"], clusters, minimum=minimum)
    return {
        "metrics": decision.metrics_json(),
        "n": decision.n,
        "verdict": decision.verdict,
        "reason": decision.reason.replace("better: promoted.", "better."),
    }


def _alone(scores: Sequence[Mapping[str, float | None]], clusters: Sequence[str]) -> dict[str, Any]:
    metrics = {}
    for name in sorted({name for row in scores for name in row}):
        kept = [(row[name], cluster) for row, cluster in zip(scores, clusters, strict=True) if row[name] is not None]
        if kept:
            values = np.array([value for value, _ in kept], dtype=float)
            bounds = interval(values, [cluster for _, cluster in kept])
            metrics[name] = {"champion": float(values.mean()), "interval": list(bounds)}
    return metrics


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
