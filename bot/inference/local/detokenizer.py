"""Streaming detokenization: tokens to text, in whole characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.inference.stop_texts import StopFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"
"""What a tokenizer decodes incomplete characters to."""

WAIT_TOKENS = 4
"""A character has at most four bytes, so after four tokens an invalid one stays invalid."""


class TokenText:
    """Decodes tokens one by one; ``stopped`` says whether a stop text came.

    Each token is decoded together with a short tail, because its text can depend on the one before it.

    :param decode: converts token ids to text, without control tokens.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = StopFilter(stops)
        self._tail: list[int] = []
        self._context = 0

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    def feed(self, token: int) -> str:
        """Add a token and return the text that can be shown now."""
        self._tail.append(token)
        return self._stops.feed(self._new_text(final=False))

    def rest(self) -> str:
        """Return the text held back, at the end of the answer."""
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
