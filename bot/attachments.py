"""What comes with one question: its nearest pieces join the passages, and what was not read is said.

As passages they stand in the same fence, are cited by number and are judged by the same guards. They belong to that one
question: their text is not stored with the answer, is found by nobody else's search, and teaches no round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.messages import Done, Passage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.messages import AnswerEvent, Attachment, Citation, Question

PASSAGES = 3
"""Pieces of a question's attachments in its prompt, beside the documents' passages."""

UNWEIGHED = 0.5
"""Relevance of what an asker attached: a chance of one half, for no search has weighed it."""

PREFIX = "attached:"
"""What the chunk ids of attached pieces begin with."""


def nearest(question: Question, embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> list[Passage]:
    """Return the pieces of the question's attachments that are nearest to it in meaning, best first.

    :param embed: returns unit vectors, shape (texts, dimension).
    """
    pieces = [
        Passage(
            chunk_id=f"{PREFIX}{attachment.name}#{number}",
            document_id="",
            document=attachment.name,
            heading=heading,
            text=text,
            score=0.0,
            relevance=UNWEIGHED,
            department=question.department or "",
            generation="",
        )
        for attachment in question.attachments
        for number, (heading, text) in enumerate(attachment.pieces)
    ]
    if not pieces:
        return []
    vectors = embed([question.text, *(f"{piece.heading}\n{piece.text}" for piece in pieces)])
    nearness = (vectors[1:] @ vectors[0]).tolist()
    ranked = [replace(piece, score=max(0.0, near)) for piece, near in zip(pieces, nearness, strict=True)]
    return sorted(ranked, key=lambda piece: -piece.score)[:PASSAGES]


def without_text(citations: Sequence[Citation]) -> tuple[Citation, ...]:
    """Return citations as they are stored: an attachment's by its name alone."""
    return tuple(replace(each, text="") if each.chunk_id.startswith(PREFIX) else each for each in citations)


def with_problems(event: AnswerEvent, attachments: Sequence[Attachment]) -> AnswerEvent:
    """Return the event; the answer at a stream's end says which attachments were not read, and why."""
    problems = [attachment.problem for attachment in attachments if attachment.problem]
    if not problems or not isinstance(event, Done):
        return event
    return Done(replace(event.answer, text="\n\n".join([event.answer.text, "\n".join(problems)])))
