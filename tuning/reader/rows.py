"""The reader's sources in one shape: a question, what to say to it, and where that stands."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.errors import InputFileError
from bot.messages import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One question.

    :param answer: ``""`` when the passage or handbook does not hold it.
    :param key_facts: what a right answer must contain, word for word; empty for open questions.
    :param page: the handbook page that answers, or is closest; ``""`` for open questions.
    :param passage: the text that the question is about; ``""`` for handbook questions, which retrieval answers.
    """

    id: str
    source: str
    licence: str
    question: str
    answer: str
    department: str = ""
    key_facts: tuple[str, ...] = ()
    page: str = ""
    passage: str = ""
    history: tuple[Turn, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether there is an answer."""
        return bool(self.answer)


def read_handbook(path: Path) -> list[ReadingRow]:
    """Read rows like those of ``handbook_qa``.

    :raises InputFileError: the file is missing or a line has another shape.
    """
    return [
        ReadingRow(
            id=row["id"],
            source=path.stem,
            licence="CC0-1.0",
            question=row["question"],
            answer=row["answer"] or "",
            department=row["department"],
            key_facts=tuple(row["key_facts"]),
            page=row["section_ids"][0].partition("#")[0],
            history=tuple(Turn(turn["question"], turn["answer"]) for turn in row.get("history", ())),
        )
        for row in _lines(path, "id", "question", "answer", "department", "key_facts", "section_ids")
    ]


def read_grounded(path: Path) -> list[ReadingRow]:
    """Read rows like those of ``grounded_qa``.

    :raises InputFileError: the file is missing or a line has another shape.
    """
    return [
        ReadingRow(
            id=row["id"],
            source=row["source"],
            licence=row["license"],
            question=row["question"],
            answer=row["answer"],
            passage=row["passage"],
        )
        for row in _lines(path, "id", "source", "license", "question", "answer", "passage")
    ]


def _lines(path: Path, *required: str) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield {**row, **{name: row[name] for name in required}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            f"The reader's data {path} cannot be read: {type(error).__name__}: {error}.",
            hint="Name the folder that holds grounded_qa/ and handbook_qa/: `make reader DATA=FOLDER`.",
        ) from error
