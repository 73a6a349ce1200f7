"""Prompt lookup: what followed the last time these tokens came, as a guess at what comes now.

An answer from passages repeats them. Several guessed tokens are checked in one pass, which costs little more than one
token, and only those that the model itself would have chosen are kept, so the answer is the same (Saxena, "Prompt
lookup decoding", 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MATCH = 3
"""Tokens that must have come before in the same order."""

MOST = 5
"""Tokens guessed at most: with the one before them they fill one tile of the compiled decoder."""


class Lookup:
    """Guesses the tokens after ``tokens``, which grows by :meth:`add`."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = [*tokens]
        self._after: dict[tuple[int, ...], int] = {}
        self._indexed = MATCH
        self._courage = 2

    def add(self, tokens: Sequence[int]) -> None:
        """Append tokens."""
        self._tokens += tokens

    def guess(self, most: int) -> list[int]:
        """Return up to ``most`` tokens, none where these last tokens have not come before."""
        # Only now, because where many answers run nobody guesses.
        for place in range(self._indexed, len(self._tokens)):
            self._after[tuple(self._tokens[place - MATCH : place])] = place
        self._indexed = max(self._indexed, len(self._tokens))
        found = self._after.get(tuple(self._tokens[-MATCH:]))
        return [] if found is None else self._tokens[found : found + min(most, self._courage)]

    def learn(self, guessed: int, right: int) -> None:
        """Guess further ahead after right guesses, and less far after wrong ones."""
        self._courage = min(MOST, self._courage + 2) if right == guessed else max(1, right)
