"""A retriever of a few notes and plugins made of functions, for tests that need no index."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.domain.questions import Passage
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.domain.people import Audience
    from bot.domain.questions import Turn

NOTES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "travel": [
        ("travel/lodging.md", "Lodging › Taxes", "Hotels are tax exempt in 12 states. Show the form at the desk."),
        ("travel/trains.md", "Trains › Booking", "Book trains in Concur. Coach class is the rule for every trip."),
    ],
    "it": [("it/laptops.md", "Laptops", "A new laptop comes after five days. Ask in #it-help for a loan.")],
}


class NotesRetriever:
    """Finds notes; implements :class:`bot.domain.ports.Retriever`.

    A note's relevance is the share of the question's words in it. Vectors are hashed bags of words. ``readers``
    restricts documents to some principals; all others are open to everyone.

    :param notes: each note's address, heading and text, by department.
    """

    def __init__(self, notes: Mapping[str, Sequence[tuple[str, str, str]]] = NOTES) -> None:
        self.notes = notes
        self.readers: dict[str, frozenset[str]] = {}

    def search(
        self,
        text: str,
        department: str,
        audience: Audience,
        *,
        k: int = 10,
        history: Sequence[Turn] = (),  # noqa: ARG002 - notes know no follow-ups
    ) -> list[Passage]:
        """Return the department's notes, the most relevant first."""
        words = set(re.findall(r"\w{3,}", text.lower()))
        found = []
        for number, (document, heading, note) in enumerate(self.notes.get(department, [])):
            if document in self.readers and not audience.may_read(self.readers[document]):
                continue
            held = words & set(re.findall(r"\w{3,}", f"{heading} {note}".lower()))
            share = len(held) / (len(words) or 1)
            key, own = f"{document}#{number}", tuple(sorted(self.readers.get(document, ())))
            passage = Passage(key, document, document, heading, note, share, department, "g1", share, readers=own)
            found.append(passage)
        return sorted(found, key=lambda passage: -passage.relevance)[:k]

    def passages(self, chunk_ids: Sequence[str], department: str, audience: Audience) -> list[Passage]:
        """Return notes by id."""
        by_id = {passage.chunk_id: passage for passage in self.search("", department, audience)}
        return [by_id[chunk_id] for chunk_id in chunk_ids if chunk_id in by_id]

    def readable(self, documents: Collection[str], department: str, audience: Audience) -> Collection[str]:
        """Return which of these documents have notes that the audience may read."""
        readable = {passage.document_id for passage in self.search("", department, audience)}
        return readable.intersection(documents)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, 512)."""
        vectors = np.zeros((len(texts), 512), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, sum(map(ord, word)) * 31 % 512] += 1
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def has_documents(self, department: str) -> bool:
        """Return whether the department has notes."""
        return department in self.notes

    def snapshot(self, department: str) -> str | None:
        """Return the name of the only snapshot."""
        return "g1" if department in self.notes else None


def make_plugin(**hooks: Callable[..., Any]) -> SimpleNamespace:
    """Make a plugin of functions, each passed by the name of the hook that it implements."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})
