"""Cleans what engines write, whichever engine it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.generation import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

OPENINGS = ("<think>", "<thinking>", "<reasoning>")


async def without_thoughts(pieces: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """Yield the pieces of an answer without the block of reasoning that some models begin with. A refusal stays one.

    Only a block at the very beginning is reasoning; anywhere else it is text. One that never ends hides the answer.
    """
    held = ""
    closing = ""
    begun = False
    async for piece in pieces:
        if begun or isinstance(piece, Refusal):
            begun = True
            yield piece
            continue
        held += piece
        if not closing:
            start = held.lstrip()
            opening = next((each for each in OPENINGS if start.lower().startswith(each)), "")
            if not opening and any(each.startswith(start.lower()) for each in OPENINGS):
                continue  # it may become one
            closing = opening.replace("<", "</")
        if closing:
            _, ended, rest = held.partition(closing)
            if not ended or not rest.strip():
                continue
            held = rest.lstrip()
        begun = True
        yield held
    if not begun and held.strip() and not closing:
        yield held
