"""The words in which two texts differ."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal

WORDS = re.compile(r"\s+|\S+")
MOST = 1_000_000
"""Pairs of words that are compared; longer texts are shown whole."""

ALIKE = 0.35
"""Texts with less in common are shown whole: a mosaic of both can't be read."""

Change = Literal["same", "removed", "added"]


def differences(before: str, after: str) -> list[tuple[Change, str]]:
    """Return the pieces of both texts in order, each with whether it is in both or in one alone."""
    old, new = WORDS.findall(before.strip()), WORDS.findall(after.strip())
    whole: list[tuple[Change, str]] = [("removed", "".join(old)), ("added", "".join(new))]
    if len(old) * len(new) > MOST:
        return whole
    matcher = SequenceMatcher(None, old, new)
    if matcher.ratio() < ALIKE:
        return [piece for piece in whole if piece[1]]
    found: list[tuple[Change, str]] = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            found.append(("same", "".join(old[old_from:old_to])))
            continue
        pieces: tuple[tuple[Change, list[str]], ...] = (
            ("removed", old[old_from:old_to]), ("added", new[new_from:new_to]),
        )  # fmt: skip
        found += [(change, "".join(words)) for change, words in pieces if words]
    return found
