"""Prompt lookup decoding: guess the next tokens by looking up what followed the last ones before.

An answer from passages repeats them. The model checks several guessed tokens in one pass, which costs little more than
one token, and keeps only those that it would have chosen itself: the answer is the same, and comes sooner (Saxena,
"Prompt lookup decoding", 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MATCH = 3
"""Length of the token n-grams that are looked up."""

MAX_GUESSES = 5
"""With the token before them they fill one tile of the compiled decoder."""


class PromptLookup:
    """Guesses what follows ``tokens``, which grows by :meth:`add`."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = [*tokens]
        self._after: dict[tuple[int, ...], int] = {}
        self._indexed = MATCH
        self._guess_length = 2

    def add(self, tokens: Sequence[int]) -> None:
        self._tokens += tokens

    def guess(self, limit: int) -> list[int]:
        """Return up to ``limit`` tokens, none if the last n-gram hasn't occurred before."""
        # Index lazily: with many answers running there are no guesses at all.
        for place in range(self._indexed, len(self._tokens)):
            self._after[tuple(self._tokens[place - MATCH : place])] = place
        self._indexed = max(self._indexed, len(self._tokens))
        found = self._after.get(tuple(self._tokens[-MATCH:]))
        return [] if found is None else self._tokens[found : found + min(limit, self._guess_length)]

    def learn(self, guessed: int, right: int) -> None:
        """Make the next guess longer if all guessed tokens were right, else shorter."""
        self._guess_length = min(MAX_GUESSES, self._guess_length + 2) if right == guessed else max(1, right)
