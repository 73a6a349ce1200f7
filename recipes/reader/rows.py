"""The reader's sources in one shape: a question, what to say to it, and where that stands."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import InputFileError
from bot.domain.questions import Turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recipes.reader.recipe import Recipe

HINT = "Name the folder that holds grounded_qa/ and handbook_qa/: `make reader DATA=FOLDER`."


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


@dataclass(frozen=True, slots=True)
class Sources:
    """A recipe's data.

    :param beside: the recipe's folder, whose files go before those of the same name in the data folder.
    :param data: the folder of ``grounded_qa`` and ``handbook_qa``.
    """

    recipe: Recipe
    beside: Path
    data: Path

    def require(self) -> None:
        """See that every file is there, before minutes of work.

        :raises InputFileError: one is not.
        """
        for path in (*self._handbook_files(), self._grounded_file()):
            if not path.is_file():
                raise InputFileError(f"The reader's data {path} is missing.", hint=HINT)

    def handbook(self, *, held_out: bool) -> list[ReadingRow]:
        """Return the questions about the pages that are learned from, or about those held out for calibration.

        :raises InputFileError: a file is missing or broken.
        """
        pages = self.recipe.handbook.held_out_pages
        return [
            row for path in self._handbook_files() for row in read_handbook(path) if (row.page in pages) == held_out
        ]

    def grounded(self) -> list[ReadingRow]:
        """Return the open questions.

        :raises InputFileError: the file is missing or broken.
        """
        return read_grounded(self._grounded_file())

    def _handbook_files(self) -> list[Path]:
        names = self.recipe.handbook.files
        return [self.beside / name if (self.beside / name).exists() else self.data / name for name in names]

    def _grounded_file(self) -> Path:
        return self.data / self.recipe.grounded.file


def read_handbook(path: Path) -> list[ReadingRow]:
    """Read rows like those of ``handbook_qa``.

    :raises InputFileError: the file is missing or a line has another shape.
    """
    return _read(path, lambda row: _handbook_row(path.stem, row))


def read_grounded(path: Path) -> list[ReadingRow]:
    """Read rows like those of ``grounded_qa``.

    :raises InputFileError: the file is missing or a line has another shape.
    """
    return _read(path, _grounded_row)


def _handbook_row(source: str, row: dict[str, Any]) -> ReadingRow:
    return ReadingRow(
        id=row["id"],
        source=source,
        licence="CC0-1.0",
        question=row["question"],
        answer=row["answer"] or "",
        department=row["department"],
        key_facts=tuple(row["key_facts"]),
        page=row["section_ids"][0].partition("#")[0],
        history=tuple(Turn(turn["question"], turn["answer"]) for turn in row.get("history", ())),
    )


def _grounded_row(row: dict[str, Any]) -> ReadingRow:
    return ReadingRow(
        id=row["id"],
        source=row["source"],
        licence=row["license"],
        question=row["question"],
        answer=row["answer"],
        passage=row["passage"],
    )


def _read(path: Path, make: Callable[[dict[str, Any]], ReadingRow]) -> list[ReadingRow]:
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            rows = []
            for number, line in enumerate(file, start=1):  # noqa: B007 - named in the error
                rows.append(make(json.loads(line)))
            return rows
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputFileError(
            f"Can't read the reader's data {path}: line {number}: {type(error).__name__}: {error}.",
            hint=HINT,
        ) from error
