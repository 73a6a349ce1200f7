"""Whether a reader made anew is better than the one that is shipped, by whole answers about the pages held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.generation import AdapterRef
from bot.storage.artifacts import verify
from tuning.data.dedup import cluster
from tuning.evaluation.compare import compare
from tuning.evaluation.keyfacts import FactQuestion, Pinned, ask_all, score_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bot.hooks.instance import Instance
    from recipes.reader.rows import ReadingRow
    from tuning.evaluation.compare import Comparison


def fact_question(row: ReadingRow) -> FactQuestion:
    """Return a handbook's row as it is asked and scored."""
    return FactQuestion(row.question, row.department, row.answerable, row.key_facts, (row.page,), row.history)


def starting_with(reader: Path) -> Pinned:
    """Return what makes this reader answer for every department of an instance.

    :raises ArtifactError: the reader is not whole.
    """
    manifest = verify(reader, "adapter")
    return Pinned(AdapterRef(manifest.sha256, reader, manifest.meta["base_model"], starter=True))


def right_answers(
    instance: Instance, reader: Path, rows: Sequence[ReadingRow], on_progress: Callable[[int], None] | None = None
) -> list[float]:
    """Ask the questions of departments that start with this reader, and return how right each answer is, 0..1.

    A right answer holds the key facts, by their share, or finds none where there is none.

    :param instance: one opened with :func:`starting_with`; its departments read as this reader does from here on.
    :raises ArtifactError: the reader is not whole.
    """
    manifest = verify(reader, "adapter")
    settings = {f"answers.{name}": value for name, value in manifest.meta["answers"].items()}
    for department in sorted({row.department for row in rows}):
        instance.departments.configure(department, settings, actor="mentee")
    questions = [fact_question(row) for row in rows]
    answers = ask_all(instance, questions, on_progress)
    scores = [score_facts(question, answer) for question, answer in zip(questions, answers, strict=True)]
    return [(score["key_facts"] if score["refused"] is None else score["refused"]) or 0.0 for score in scores]


def compare_readers(shipped: Sequence[float], fresh: Sequence[float], rows: Sequence[ReadingRow]) -> Comparison:
    """Compare two readers' right answers to the same questions; the fresh one is the challenger."""
    names = cluster(row.question for row in rows)
    sides = [[{"right": value} for value in values] for values in (shipped, fresh)]
    return compare(sides[0], sides[1], [names[row.question] for row in rows])["right"]
