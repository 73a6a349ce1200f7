"""What in a document's text looks as if it was written for the assistant rather than for readers.

A flag is shown where documents are added and listed. It changes nothing else: passages are data whatever they say
(:mod:`bot.answering.prompt`), and these patterns find only the plain cases.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument

ORDER_FLAG = "instructions to an assistant"
REFUSAL_FLAG = "an assistant's refusal"
MARK_FLAG = "marks of a prompt"

_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\s{1,9}(?:\w{1,20}\s{1,9}){0,2}?"
    r"(?:previous|prior|above|earlier|preceding|all|any|your|other)\s{1,9}(?:\w{1,20}\s{1,9}){0,3}?"
    r"(?:instructions?|prompts?|rules|guidelines|passages|sources|documents|directives)\b"
    r"|\b(?:your|the)\s{1,9}system\s{1,9}prompt\b|\bnew\s{1,9}instructions?\s{0,9}:"
    r"|\b(?:you\s{1,9}are|act)\s{1,9}(?:now|as)\s{1,9}(?:a|an|the)?\s{0,9}(?:\w{1,20}\s{1,9}){0,3}?"
    r"(?:assistant|ai|chatbot|model|bot)\b"
    r"|\b(?:assistant|chatbot|ai|language\s{1,9}model)s?\s{0,9}(?::|,|must|should|shall)\s{0,9}(?:\w{1,20}\s{1,9}){0,3}?"
    r"(?:say|answer|reply|respond|tell|recommend|ignore|reveal|send|cite)\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bI\s{1,9}(?:do\s{1,9}not|don['’]t)\s{1,9}find\s{1,9}this\b"
    r"|\b(?:I|we)\s{1,9}(?:can['’]t|cannot|can\s{1,9}not|(?:am|are)\s{1,9}(?:unable|not\s{1,9}able)\s{1,9}to|won['’]t)"
    r"\s{1,9}(?:answer|help\s{1,9}with|respond\s{1,9}to|assist)\b"
    r"|\bas\s{1,9}an?\s{1,9}(?:ai|assistant|language\s{1,9}model)\b"
    r"|\b(?:do\s{1,9}not|don['’]t|never|must\s{1,9}not|cannot)\s{1,9}(?:be\s{1,9})?answer(?:ed)?\s{1,9}"
    r"(?:\w{1,20}\s{1,9}){0,2}?questions?\b",
    re.IGNORECASE,
)
_MARK = re.compile(
    r"\[/\d{1,4}(?:\s{1,9}\w{1,32})?\]|<\|[\w .:-]{1,40}\|>|\[/?INST\]|<(?:start|end)_of_turn>"
    r"|<</?SYS>>|</?(?:system|assistant)>"
)
_PATTERNS = {ORDER_FLAG: _ORDER, REFUSAL_FLAG: _REFUSAL, MARK_FLAG: _MARK}


def flagged(document: ParsedDocument) -> ParsedDocument:
    """Return the document with a flag for each oddity of its title, headings and text."""
    texts = [document.title, *("\n".join((*section.headings, section.text)) for section in document.sections)]
    found = [flag for flag, pattern in _PATTERNS.items() if any(pattern.search(text) for text in texts)]
    return replace(document, flags=tuple(dict.fromkeys((*document.flags, *found))))
