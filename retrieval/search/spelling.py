"""Corrects misspelled words of a question: words that no document has, but for a letter or two.

Only words of documents that the audience may read are candidates. A corrected question is searched instead of the one
that was asked; the answer is to what was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.language.words import find_words, words
from retrieval.index.lexical import STOP_WORDS, stem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.index.snapshot import Snapshot

MOST_CORRECTED = 4
MOST_WORDS = 60
"""Words of a question that are looked at."""
CHUNKS_READ = 20
"""Chunks that are read to find a form of a word, such as its plural."""
NEAREST = 3


def corrected(text: str, snapshot: Snapshot, allowed: NDArray[np.bool_]) -> str:
    """Return a question with its misspelled words as the documents write them.

    :param allowed: which chunks the audience may read.
    """
    lexical = snapshot.lexical
    changes: list[tuple[int, int, str]] = []
    for number, word in enumerate(find_words(text)):
        if number == MOST_WORDS or len(changes) == MOST_CORRECTED:
            break
        if word.text in STOP_WORDS or lexical.holding(stem(word.text), allowed):
            continue
        near = lexical.similar(word.text, allowed)[:NEAREST]
        meant = next((form for form in near if _occurs(form, snapshot, allowed)), "")
        if meant:
            changes.append((word.start, word.end, meant))
    for start, end, meant in reversed(changes):
        text = f"{text[:start]}{meant}{text[end:]}"
    return text


def _occurs(form: str, snapshot: Snapshot, allowed: NDArray[np.bool_]) -> bool:
    """Return whether the audience may read a chunk that has a word in this form, not only in another one."""
    rows = snapshot.lexical.having(stem(form), allowed)[:CHUNKS_READ]
    return any(form in words(snapshot.chunks[int(row)].indexed) for row in rows)
