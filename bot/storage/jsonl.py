"""Reads JSON Lines files from operators. Every row is checked before any of them is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import InputFileError
from bot.domain.questions import Turn, cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of a file. ``place`` names the file and the line for error texts."""

    place: str
    values: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or ``default`` when it is absent or null."""
        value = self.values.get(key)
        return default if value is None else value

    def text(self, key: str) -> str:
        """Return a text that must be there.

        :raises InputFileError: it is absent, empty or no text.
        """
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise InputFileError(
                f"{self.place}: {json.dumps(key)} is {_shown(value)}.", hint="Expected a non-empty text."
            )
        return value.strip()

    def optional_text(self, key: str) -> str | None:
        """Return a text, or ``None`` when it is absent, null or empty.

        :raises InputFileError: it is there but no text.
        """
        value = self.values.get(key)
        if value is None or value == "":
            return None
        return self.text(key)

    def history(self) -> tuple[Turn, ...]:
        """Return the earlier turns of a thread, none when ``history`` is absent.

        :raises InputFileError: it is no list of questions with answers.
        """
        turns = self.get("history", [])
        turns = [turns] if isinstance(turns, dict) else turns
        try:
            return tuple(Turn(str(turn["question"]), str(turn.get("answer") or "")) for turn in turns)
        except (TypeError, KeyError, AttributeError):
            raise InputFileError(
                f'{self.place}: "history" is {json.dumps(turns)[:80]}.',
                hint='Expected a list of {"question", "answer"} objects.',
            ) from None

    def choice(self, key: str, choices: Sequence[str | None]) -> Any:
        """Return a value that must be one of ``choices``.

        :raises InputFileError: it is not.
        """
        value = self.values.get(key)
        if value not in choices:
            expected = ", ".join(json.dumps(choice) for choice in choices)
            raise InputFileError(
                f"{self.place}: {json.dumps(key)} is {_shown(value)}.", hint=f"Expected one of {expected}."
            )
        return value


def read_lines(path: Path) -> list[Any]:
    """Read a JSON Lines file that Mentee wrote itself.

    A line ends with a line feed alone: JSON may hold U+2028 and others at which ``str.splitlines`` splits, too.
    """
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def read_rows(path: Path, *, required: Sequence[str]) -> tuple[Row, ...]:
    """Read a JSON-lines file whole. Empty lines are skipped.

    :param required: keys whose value must be a text that is not empty.
    :raises InputFileError: the file cannot be read, holds no rows, or a line is not such an object; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: JSON may hold U+2028
    except UnicodeDecodeError:
        raise InputFileError(f"{path} is not UTF-8 text.", hint="Save it as JSON lines in UTF-8.") from None
    except OSError as error:
        raise InputFileError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None
    rows = tuple(_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())
    if not rows:
        raise InputFileError(f"{path} has no rows.", hint="Expected one JSON object per line.")
    for row in rows:
        for key in required:
            row.text(key)
    return rows


def _row(path: Path, number: int, line: str) -> Row:
    place = f"{path}, line {number}"
    try:
        values = json.loads(line)
    except ValueError as error:
        raise InputFileError(f"{place} is not JSON: {error}.", hint="Expected one JSON object per line.") from None
    if not isinstance(values, dict):
        raise InputFileError(f"{place} is {_shown(values)}.", hint='Expected a JSON object, like {"question": "…"}.')
    if cleaned(values) != values:
        raise InputFileError(f"{place} has a NUL or half a surrogate pair.", hint="Remove it: Mentee can't store it.")
    return Row(place, values)


def _shown(value: Any) -> str:
    return "missing" if value is None else json.dumps(value, ensure_ascii=False)[:60]
