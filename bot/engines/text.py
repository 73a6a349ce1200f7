"""Tokens to text while they come, in pieces that are whole characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.engines.stops import StopFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"
"""What a decoder puts for bytes that are no character (yet)."""

WAIT_TOKENS = 4
"""A character has at most four bytes; what is no character after so many tokens never becomes one."""


class TokenText:
    """Decodes a growing list of tokens piece by piece; ``stopped`` says that a stop text came.

    Decodes a short tail again with each token, because a token's text can depend on the one before it.

    :param decode: token ids to text, without control tokens.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = StopFilter(stops)
        self._tail: list[int] = []
        self._context = 0

    @property
    def stopped(self) -> bool:
        """Return whether a stop text has come."""
        return self._stops.stopped

    def feed(self, token: int) -> str:
        """Take the next token and return the text that may be shown now."""
        self._tail.append(token)
        return self._stops.feed(self._new_text(final=False))

    def rest(self) -> str:
        """Return what was held back, at the end of the answer."""
        text = self._stops.feed(self._new_text(final=True))
        return text if self.stopped else text + self._stops.rest()

    def _new_text(self, *, final: bool) -> str:
        known = self._decode(self._tail[: self._context]) if self._context else ""
        whole = self._decode(self._tail)
        waiting = len(self._tail) - self._context
        if not final and whole.endswith(REPLACEMENT) and waiting < WAIT_TOKENS:
            return ""
        self._tail = self._tail[self._context :]
        self._context = len(self._tail)
        return whole[len(known) :]
