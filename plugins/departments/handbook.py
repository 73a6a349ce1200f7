"""What the demo departments share: where their pages lie and how abbreviations are spelled out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.messages import Question

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "handbook"
EVERYDAY_WORDS = frozenset({"far", "par", "pop", "it", "co", "am"})
"""Abbreviations that are also words: only their upper-case form is one."""


def pages(department: str) -> tuple[str, ...]:
    """Return the folder of a department's handbook pages, relative to the working directory where it lies below it.

    Empty where the examples are not on this machine (they are not part of the wheel).
    """
    folder = EXAMPLES / department
    if not folder.is_dir():
        return ()
    here = Path.cwd()
    return (str(folder.relative_to(here) if folder.is_relative_to(here) else folder),)


def spelled_out(question: Question, glossary: Mapping[str, str]) -> Question | None:
    """Return the question with each abbreviation's meaning beside it in ``search_text``; ``None`` when it has none."""
    text = question.search_text or question.text
    meanings = [
        meaning for term, meaning in glossary.items() if _mentions(text, term) and meaning.lower() not in text.lower()
    ]
    return replace(question, search_text=f"{text} ({'; '.join(meanings)})") if meanings else None


def _mentions(text: str, term: str) -> bool:
    flags = 0 if term.lower() in EVERYDAY_WORDS else re.IGNORECASE
    return bool(re.search(rf"(?<!\w){re.escape(term)}s?(?!\w)", text, flags))
