"""Finds where the questions of others repeat a person's words, so that erasing the person erases them, too.

Others quote people in two ways: a question may consist of a message that its asker forwarded or pointed to, and the
messages of a thread are in the histories of the questions asked in it. Instead of a person, each function also takes
the key of one message, and finds what repeats that message. Each call searches all questions, so use this only for
erasing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.access.person_rows import naming
from bot.storage.tables.answers import QuestionRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session


def in_questions(session: Session, person: str) -> Sequence[QuestionRow]:
    """Return the questions whose text repeats a message of the person's."""
    return [row for row in _naming(session, QuestionRow.quotes, person) if person in row.quotes]


def in_histories(session: Session, person: str) -> Sequence[QuestionRow]:
    """Return the questions whose history contains a turn of the person's."""
    return [row for row in _naming(session, QuestionRow.history, person) if any(_turns(row, person))]


def repeats(session: Session, message_key: str) -> bool:
    """Return whether any question repeats a message."""
    return bool(in_questions(session, message_key) or in_histories(session, message_key))


def texts(session: Session, person: str) -> Iterator[str]:
    """Yield what the questions of others repeat of the person."""
    yield from (row.text for row in in_questions(session, person))
    yield from (turn["question"] for row in in_histories(session, person) for turn in _turns(row, person))


def remove_from_histories(session: Session, person: str) -> int:
    """Remove the person's turns from all histories; return how many histories changed."""
    rows = in_histories(session, person)
    for row in rows:
        row.history = [turn for turn in row.history if not _is_from(turn, person)]
    return len(rows)


def _naming(session: Session, column: Any, person: str) -> Iterator[QuestionRow]:
    yield from session.scalars(select(QuestionRow).where(naming(column, {person})))


def _turns(row: QuestionRow, person: str) -> Iterator[dict[str, Any]]:
    yield from (turn for turn in row.history if _is_from(turn, person))


def _is_from(turn: Mapping[str, Any], person: str) -> bool:
    """Return whether the person asked in this turn, or it repeats a message of the person's."""
    return person in (turn.get("person_id"), *turn.get("quotes", ()))
