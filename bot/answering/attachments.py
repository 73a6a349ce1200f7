"""Attachments: the pieces nearest to the question join its passages, and unread files are mentioned in the answer.

As passages they stand in the same fence, are cited by number and are judged by the same guards. They belong to that one
question: their text is not stored with the answer, is found by nobody else's search, and teaches no round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.questions import Passage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.domain.answers import Citation
    from bot.domain.questions import Attachment, Question

PASSAGES = 3
"""Pieces of attachments in a prompt, beside the documents' passages."""

UNWEIGHED = 0.5
"""Relevance of an attached piece: one half, because no search has rated it."""

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
            snapshot="",
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
    """Return citations as they are stored: those of attachments without their text."""
    return tuple(replace(each, text="", quote="") if each.chunk_id.startswith(PREFIX) else each for each in citations)


def problems(attachments: Sequence[Attachment]) -> list[str]:
    """Return why attachments couldn't be read, one message for each; they name the files."""
    return [attachment.problem for attachment in attachments if attachment.problem]
