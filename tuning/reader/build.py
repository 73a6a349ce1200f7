"""From a recipe to a dataset: rows of the sources in the prompts that will be served."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.artifacts import writing
from bot.errors import InputFileError
from bot.messages import Audience, Passage
from bot.prompt import PROMPT_VERSION, build_messages
from tuning.reader.rows import ReadingRow, read_grounded, read_handbook
from tuning.reader.sets import ReadingSet, grounded_sets, handbook_sets, look_up
from tuning.reader.wording import REFUSAL, cited, sentence_about, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bot.app import Mentee
    from tuning.reader.recipe import Recipe


def build_reader_dataset(recipe: Recipe, mentee: Mentee, *, data: Path, recipe_dir: Path, target: Path) -> Counter[str]:
    """Write the dataset to ``target`` and return what is in it. The same recipe, data and index give the same bytes.

    :param mentee: a demo home: its index gives the passages.
    :param data: the folder of ``grounded_qa`` and ``handbook_qa``.
    :raises InputFileError: a source is missing or broken.
    """
    rng = random.Random(recipe.seed)  # noqa: S311 - an order, not a secret
    sets = [
        *_handbook(recipe, mentee, source_files(recipe, data, recipe_dir), rng),
        *_grounded(recipe, mentee, data, rng),
    ]
    counts: Counter[str] = Counter()
    rows = []
    for number, made in enumerate(sets):
        for row in _rows(made, f"set{number}", mentee, rng):
            counts[f"{row['kind']}: {'refused' if row['completion'] == REFUSAL else 'answered'}"] += 1
            rows.append(row)
    licences = sorted({row.licence for made in sets for row, _ in made.asked})
    with writing(target, "dataset") as draft:
        lines = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
        (draft.path / "sft.jsonl").write_text(lines, encoding="utf-8")
        (draft.path / "preference.jsonl").write_text("", encoding="utf-8")
        draft.meta |= {"department": recipe.name, "counts": dict(sorted(counts.items())), "sets": len(sets)}
        draft.meta |= {"recipe": recipe.model_dump(mode="json"), "licences": licences, "prompt_version": PROMPT_VERSION}
    return counts


def require_sources(recipe: Recipe, data: Path, recipe_dir: Path) -> None:
    """See that every source is there, before minutes of work.

    :raises InputFileError: one is not.
    """
    for path in (*source_files(recipe, data, recipe_dir), data / recipe.grounded.file):
        if not path.is_file():
            raise InputFileError(
                f"The reader's data {path} is not there.",
                hint="Name the folder that holds grounded_qa/ and handbook_qa/: `make reader DATA=FOLDER`.",
            )


def handbook_rows(recipe: Recipe, files: Sequence[Path], *, held_out: bool) -> list[ReadingRow]:
    """Return the questions about the pages that are learned from, or about those held out for calibration."""
    pages = recipe.handbook.held_out_pages
    return [row for path in files for row in read_handbook(path) if (row.page in pages) == held_out]


def source_files(recipe: Recipe, data: Path, recipe_dir: Path) -> list[Path]:
    """Return the handbook's question files: beside the recipe where they are there, else in the data folder."""
    return [recipe_dir / name if (recipe_dir / name).exists() else data / name for name in recipe.handbook.files]


def _handbook(recipe: Recipe, mentee: Mentee, files: Sequence[Path], rng: random.Random) -> Iterator[ReadingSet]:
    prompt = recipe.prompt
    found = look_up(handbook_rows(recipe, files, held_out=False), partial(search, mentee), 2 * prompt.passages)
    times = recipe.handbook.times_asked
    for done in range(math.ceil(times)):
        asked = rng.sample(found, round(len(found) * min(1.0, times - done)))
        yield from handbook_sets(
            asked, size=prompt.passages, together=prompt.questions, refusals=recipe.handbook.refusals, rng=rng
        )


def search(mentee: Mentee, row: ReadingRow, text: str, k: int) -> list[Passage]:
    """Find passages for a row of the handbook as they are found for whoever may read everything."""
    history = row.history if text == row.question else ()
    return list(mentee.retriever.search(text, row.department, Audience(unrestricted=True), k=k, history=history))


def _grounded(recipe: Recipe, mentee: Mentee, data: Path, rng: random.Random) -> Iterator[ReadingSet]:
    drawn = _draw(recipe, read_grounded(data / recipe.grounded.file), rng)
    passages = [_passage(text) for text in drawn]
    vectors = mentee.retriever.embed([passage.text for passage in passages])
    nearness = vectors @ vectors.T
    np.fill_diagonal(nearness, 2.0)  # the passage itself comes first, whatever else has the same vector
    order = np.argsort(-nearness, axis=1)[:, : recipe.prompt.passages]
    neighbours = {passage.text: [passages[i] for i in order[line]] for line, passage in enumerate(passages)}
    yield from grounded_sets(drawn, neighbours, size=recipe.prompt.passages, together=recipe.prompt.questions, rng=rng)


def _draw(recipe: Recipe, rows: Sequence[ReadingRow], rng: random.Random) -> dict[str, list[ReadingRow]]:
    """Draw each source's number of passages, with their questions, answers put into sentences."""
    by_source: dict[str, dict[str, list[ReadingRow]]] = {}
    for row in rows:
        passage = window(row.passage, row.answer, recipe.grounded.longest)
        by_source.setdefault(row.source, {}).setdefault(passage, []).append(replace(row, passage=passage))
    drawn: dict[str, list[ReadingRow]] = {}
    for source, wanted in recipe.grounded.passages.items():
        texts = sorted(by_source.get(source, {}))
        for text in rng.sample(texts, min(wanted, len(texts))):
            worded = [_worded(row) for row in by_source[source][text]]
            drawn.setdefault(text, []).extend(row for row in worded if row is not None)
    return drawn


def _worded(row: ReadingRow) -> ReadingRow | None:
    if not row.answerable:
        return row
    sentence = sentence_about(row.passage, row.question, row.answer)
    return None if sentence is None else replace(row, answer=sentence)


def _passage(text: str) -> Passage:
    return Passage(
        chunk_id=text, document_id="", document="", heading="", text=text, score=0, department="", generation=""
    )


def _rows(made: ReadingSet, group: str, mentee: Mentee, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Return the rows of a set; every other set of a department carries its instructions and its terms."""
    texts = [f"{passage.heading} {passage.text}" for passage in made.passages]
    name = made.asked[0][0].department
    instructed = mentee.departments.get(name) if name and rng.random() < 1 / 2 else None
    for number, (row, position) in enumerate(made.asked):
        messages = build_messages(
            row.question,
            made.passages,
            title="",
            instructions=instructed.instructions if instructed else "",
            glossary=instructed.glossary if instructed else None,
            history=row.history,
        )
        yield {
            "id": f"{group}.{number} {row.id}",
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "completion": REFUSAL if position is None else cited(row.answer, texts, position),
            "kind": row.source,
            "label": "up",
            "weight": 1.0,
            "group": group,
        }
