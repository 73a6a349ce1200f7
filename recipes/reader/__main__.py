"""Make the reader again: ``make reader`` (minutes on a GPU, two hours on 2 cores).

For each stage of ``recipes/reader.toml`` builds its dataset on the demo handbook's index and trains with
:mod:`tuning.training.train`. Then it asks the last stage and the adapter in ``reader/mentee_reader/adapter`` about the
pages that were held out, and puts the new one there if it is better. Killed and started again, it goes on.
``--data FOLDER`` names the folder of ``grounded_qa/`` and ``handbook_qa/``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bot.answering.prompt import PROMPT_VERSION
from bot.cli.home import opened
from bot.config.settings import load_settings
from bot.domain.errors import InputFileError, MenteeError
from bot.inference.loading import pick_device
from bot.inference.models.catalogue import model_path
from bot.storage.artifacts import MANIFEST, verify
from mentee_reader import ADAPTER
from recipes.reader.build import build_reader_dataset
from recipes.reader.export import Trained, export_reader
from recipes.reader.judge import compare_readers, right_answers, starting_with
from recipes.reader.recipe import Recipe, Stage, read_recipe
from recipes.reader.rows import Sources
from tuning.rounds import processes
from tuning.training.job import TrainJob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recipes.reader.rows import ReadingRow

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
MENTEE = Path(sys.executable).with_name("mentee")
console = Console(highlight=False)


def main() -> int:
    """Build, train, export; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of grounded_qa/ and handbook_qa/; default: the recipe's")
    parser.add_argument("--work", type=Path, default=ROOT / ".reader", help="where home, dataset and checkpoints are")
    parser.add_argument("--into", type=Path, help="where the adapter is written, better or not")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    os.environ["MENTEE_HOME"] = str(work / "home")
    try:
        recipe = read_recipe(RECIPES / "reader.toml")
        sources = Sources(recipe, RECIPES, arguments.data or ROOT / recipe.data)
        sources.require()
        make_home(work / "home")
        done: list[Trained] = []
        for stage in recipe.stages:
            dataset = build(sources, stage, work)
            adapter = train(recipe, stage, work, dataset, done[-1].adapter if done else None)
            done.append(Trained(stage.name, dataset, adapter))
        made = arguments.into or work / "adapter"
        export_reader(recipe, RECIPES / "reader" / "card.md", done, made)
        if arguments.into is None:
            made = ADAPTER if replaced(made, sources.handbook(held_out=True)) else made
    except MenteeError as error:
        console.print(f"[red]{error.text}[/] {error.hint}")
        return error.exit_code
    except subprocess.CalledProcessError:
        return 1  # `mentee init` has said what is wrong
    console.print(f"The new reader is in {made}. Measure one: `mentee eval --questions FILE.jsonl --keyfacts`.")
    return 0


def make_home(home: Path) -> None:
    """Make a demo home, whose index gives the passages, if it is not there yet."""
    if not (home / "done").exists():
        subprocess.run([MENTEE, "init", "--demo"], check=True)  # noqa: S603 - our own command
        (home / "done").touch()


def build(sources: Sources, stage: Stage, work: Path) -> Path:
    """Return the folder of a stage's dataset, made if it is not there yet.

    :raises InputFileError: the one that is there was made by another recipe or for another prompt.
    """
    target = work / "datasets" / stage.name
    if target.exists():
        meta = verify(target, "dataset").meta
        if (meta["recipe"], meta["prompt_version"]) != (sources.recipe.model_dump(mode="json"), PROMPT_VERSION):
            raise InputFileError(f"{target} was made by another recipe.", hint=f"Remove {work} and start again.")
        return target
    target.parent.mkdir(exist_ok=True)
    searching = console.status(f"{stage.name}: searching passages for every question")
    with opened() as mentee, searching:
        counts = build_reader_dataset(sources, stage, mentee, target)
    for name, count in sorted(counts.items()):
        console.print(f"{count:6,} {name}")
    return target


def train(recipe: Recipe, stage: Stage, work: Path, dataset: Path, before: Path | None) -> Path:
    """Train, or go on with a training that was interrupted; return the adapter's folder.

    :param before: the adapter of the stage before, to go on from.
    """
    made_from = verify(dataset, "dataset").sha256[:8]
    output, job = work / "adapters" / f"{stage.name}-{made_from}", work / f"train-{stage.name}-{made_from}" / "job.json"
    job.parent.mkdir(parents=True, exist_ok=True)
    base = model_path(load_settings().models_dir, recipe.base_model)
    numbers = stage.training.model_dump()
    device, _ = pick_device()
    cpu_steps = numbers.pop("cpu_steps")
    TrainJob(
        round_id="recipe",
        department=recipe.name,
        base_model=base,
        base_name=recipe.base_model,
        dataset=dataset,
        output=output,
        work=job.parent,
        champion=before,
        parent=before.name if before else None,
        seed=recipe.seed,
        epochs=1,
        **numbers | ({"max_steps": cpu_steps} if device == "cpu" else {}),
    ).write(job)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(stage.name, total=None)

        def tell(line: Mapping[str, Any]) -> None:
            if "step" in line:
                told = f"{stage.name}: step {line['step']} of {line['steps']}, loss {line['loss']:.3f}"
                progress.update(task, completed=line["step"], total=line["steps"], description=told)

        processes.run("tuning.training.train", job, job.parent / "progress.jsonl", on_progress=tell)
    return output


def replaced(fresh: Path, rows: Sequence[ReadingRow]) -> bool:
    """Put the new reader in the shipped one's place, if that is empty or the new one is better; say which."""
    if (ADAPTER / MANIFEST).is_file():
        found = compare_readers(_right_answers(ADAPTER, rows), _right_answers(fresh, rows), rows)
        low, high = found.interval
        console.print(
            f"Right answers to {found.n} questions about pages held out: {found.champion:.3f} of the shipped reader, "
            f"{found.challenger:.3f} of the new one: {found.difference:+.3f}, 95% interval [{low:+.3f}, {high:+.3f}]."
        )
        if low <= 0:
            console.print("The shipped reader stays: the new one is not better.")
            return False
        shutil.rmtree(ADAPTER)
    shutil.copytree(fresh, ADAPTER)
    return True


def _right_answers(reader: Path, rows: Sequence[ReadingRow]) -> list[float]:
    with opened(active_adapters=starting_with(reader)) as mentee, Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"asking {reader}", total=len(rows))
        return right_answers(mentee, reader, rows, lambda done: progress.update(task, completed=done))


if __name__ == "__main__":
    sys.exit(main())
