"""From a recipe to a dataset: rows of the sources in the prompts that will be served."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import bm25s

from bot.answering.prompt import PROMPT_VERSION, REFUSAL, build_messages
from bot.domain.people import Audience
from bot.domain.questions import Passage
from bot.storage.artifacts import writing
from recipes.reader.sets import ReadingSet, apart_sets, grounded_sets, handbook_sets, look_up
from recipes.reader.wording import YES_NO, numbered, quoted, sentence_about, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.hooks.instance import Instance
    from recipes.reader.recipe import Stage
    from recipes.reader.rows import ReadingRow, Sources


NEAR = 5
"""Results of a search among which a question's wrong passages are drawn, at least."""


def build_reader_dataset(sources: Sources, stage: Stage, instance: Instance, target: Path) -> Counter[str]:
    """Write a stage's dataset to ``target`` and return what is in it.

    The same recipe, data and index give the same bytes.

    :param mentee: a demo home: its index gives the passages.
    :raises InputFileError: a source is missing or broken.
    """
    recipe = sources.recipe
    rng = random.Random(recipe.seed)  # noqa: S311 - an order, not a secret
    sets = [
        *_handbook(stage, instance, sources.handbook(held_out=False), rng),
        *_grounded(stage, sources.grounded(), recipe.grounded.longest, rng),
    ]
    counts: Counter[str] = Counter()
    rows = []
    for number, made in enumerate(sets):
        for row in _rows(made, f"set{number}", instance, stage.asking.answer_chars, rng):
            counts[f"{row['kind']}: {'refused' if row['completion'] == REFUSAL else 'answered'}"] += 1
            rows.append(row)
    licences = sorted({row.licence for made in sets for row, _ in made.asked})
    with writing(target, "dataset") as draft:
        lines = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
        (draft.path / "sft.jsonl").write_text(lines, encoding="utf-8")
        (draft.path / "preference.jsonl").write_text("", encoding="utf-8")
        draft.meta |= {"department": recipe.name, "counts": dict(sorted(counts.items())), "sets": len(sets)}
        draft.meta |= {"recipe": recipe.model_dump(mode="json"), "stage": stage.name, "licences": licences}
        draft.meta |= {"prompt_version": PROMPT_VERSION}
    return counts


def _handbook(
    stage: Stage, instance: Instance, learned: Sequence[ReadingRow], rng: random.Random
) -> Iterator[ReadingSet]:
    asking = stage.asking
    rows = _balanced(learned, asking.refusals, rng)
    found = look_up(rows, partial(search, instance), max(NEAR, 2 * asking.passages))
    make = apart_sets if asking.passages == 1 else handbook_sets
    for done in range(math.ceil(stage.times_asked)):
        asked = rng.sample(found, round(len(found) * min(1.0, stage.times_asked - done)))
        yield from make(asked, asking, rng)


def _balanced(rows: Sequence[ReadingRow], refusals: float, rng: random.Random) -> list[ReadingRow]:
    """Leave out unanswerable rows at random until they are the wanted share of rows of which some are answerable."""
    unanswerable = [row for row in rows if not row.answerable]
    if len(unanswerable) == len(rows):
        return list(rows)
    wanted = round((len(rows) - len(unanswerable)) * refusals / (1 - refusals))
    left_out = {row.id for row in rng.sample(unanswerable, max(0, len(unanswerable) - wanted))}
    return [row for row in rows if row.id not in left_out]


def search(instance: Instance, row: ReadingRow, text: str, k: int) -> list[Passage]:
    """Find passages for a row of the handbook as they are found for whoever may read everything."""
    history = row.history if text == row.question else ()
    return list(instance.retriever.search(text, row.department, Audience(unrestricted=True), k=k, history=history))


def _grounded(stage: Stage, rows: Sequence[ReadingRow], longest: int, rng: random.Random) -> Iterator[ReadingSet]:
    drawn = _draw(stage, rows, longest, rng)
    yield from grounded_sets(drawn, _neighbours(drawn, stage.asking.passages), stage.asking, rng)


def _neighbours(drawn: Mapping[str, Sequence[ReadingRow]], count: int) -> dict[str, list[Passage]]:
    """Return for each passage itself and those that share most with its questions, as a search would find them."""
    passages = [_passage(text) for text in drawn]
    texts = [passage.text for passage in passages]
    queries = [" ".join(row.question for row in rows) for rows in drawn.values()]
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(queries, stopwords="en", show_progress=False)
    found = index.retrieve(tokens, k=min(count + 1, len(texts)), return_as="documents", show_progress=False)
    return {
        passage.text: [passage, *(passages[i] for i in line if i != number)][: count + 1]
        for number, (passage, line) in enumerate(zip(passages, found.tolist(), strict=True))
    }


def _draw(stage: Stage, rows: Sequence[ReadingRow], longest: int, rng: random.Random) -> dict[str, list[ReadingRow]]:
    """Draw each source's number of passages, with their questions, answers put into sentences."""
    by_source: dict[str, dict[str, list[ReadingRow]]] = {}
    for row in rows:
        passage = window(row.passage, row.answer, longest)
        by_source.setdefault(row.source, {}).setdefault(passage, []).append(replace(row, passage=passage))
    drawn: dict[str, list[ReadingRow]] = {}
    for source, wanted in stage.grounded.items():
        texts = sorted(by_source.get(source, {}))
        for text in rng.sample(texts, min(wanted, len(texts))):
            worded = [_worded(row) for row in _balanced(by_source[source][text], stage.asking.refusals, rng)]
            drawn.setdefault(text, []).extend(row for row in worded if row is not None)
    return drawn


def _worded(row: ReadingRow) -> ReadingRow | None:
    if not row.answerable:
        return row
    sentence = sentence_about(row.passage, row.question, row.answer)
    facts = () if row.answer in YES_NO else (row.answer,)
    return None if sentence is None else replace(row, answer=sentence, key_facts=facts)


def _passage(text: str) -> Passage:
    return Passage(
        chunk_id=text, document_id="", document="", heading="", text=text, score=0, department="", snapshot=""
    )


def _rows(
    made: ReadingSet, group: str, instance: Instance, longest: int, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """Return the rows of a set; every other set of a department carries its instructions and its terms."""
    name = made.asked[0][0].department
    instructed = instance.departments.get(name) if name and rng.random() < 1 / 2 else None
    for number, (row, position) in enumerate(made.asked):
        said = _said(row, made.passages, position, longest)
        if said is None:
            continue
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
            "completion": said,
            "kind": row.source,
            "label": "up",
            "weight": 1.0,
            "group": group,
        }


def _said(row: ReadingRow, passages: Sequence[Passage], position: int | None, longest: int) -> str | None:
    if position is None:
        return REFUSAL
    text = passages[position].text
    answer = quoted(text, row.answer, row.key_facts, longest) if longest else row.answer
    return answer and numbered(answer, position + 1)
