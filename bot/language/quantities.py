"""Tells whether a question asks for a quantity, such as a length of time or a price, and whether a text states one.

A question that a page almost answers mostly asks for a quantity that the page leaves out. The patterns are English,
German, Spanish and French; a question in another language asks for none (docs/decisions/near-misses.md).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bot.language import quantity_words as foreign

if TYPE_CHECKING:
    from collections.abc import Iterable

ASKED = 7.0
"""How many times the odds rise that passages don't answer a question if it asks for a quantity."""
MISSING = 7.0
"""How many times they rise again if the passages state no quantity of this kind."""

_COUNT = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|sixty|ninety"
_UNIT = r"(?:second|minute|min|hour|hr|day|night|week|wk|month|quarter|year|yr)s?"
_FREE = r"\bno (?:limit|maximum|minimum|cost|charge|fee)\b|\bunlimited\b|\bfree\b"
_LONG = rf"\b(?:{_UNIT}|immediately|permanent\w*|indefinite\w*|overnight|as (?:soon|long) as|however long|once|twice)\b"

_NUMBER = rf"\d|\b(?:{_COUNT}|hundreds?|thousands?|half|once|twice|none|as many)\b|{_FREE}|{foreign.STATED_NUMBER}"
_DURATION = rf"{_LONG}|\d\s?[hmd]\b|{_FREE}|{foreign.STATED_DURATION}"
_FREQUENCY = (
    r"\b(?:daily|weekly|monthly|yearly|annual\w*|quarterly|hourly|every|each|per|regular\w*)\b"
    rf"|{foreign.STATED_FREQUENCY}|{_DURATION}"
)
_MONEY = rf"[$€£%\d]|\b(?:dollars?|percent|cents?)\b|{_FREE}|{foreign.STATED_MONEY}"
_SHARE = (
    r"[%‰]|\b(?:percent\w*|half|halves|all|none|thirds?|quarters?)\b|\b\d\s?/\s?\d\b"
    r"|\b(?:one|two|three|four|\d{1,3}) (?:in|out of)(?: every)? (?:\d|two\b|three\b|four\b|five\b|ten\b)"
)
_PART = rf"{_SHARE}|[$€£]|\b(?:dollars?|euros?|cents?)\b|{_FREE}"
_CLOCK = (
    r"\b\d{1,2}(?::\d\d)?\s?(?:[ap]\.?m\b|[-\u2013])|:\d\d|24/7|\d\s*hours|\b(?:noon|midnight|business hours)\b"
    rf"|{foreign.STATED_CLOCK}"
)


class _Kind(NamedTuple):
    """A kind of quantity: how a question asks for it, and how a text states it."""

    asked: re.Pattern[str]
    stated: re.Pattern[str]


_KINDS = (
    _Kind(
        re.compile(r"\bwhat\s?(?:%|percent(?:age)?\b)|^\W{0,9}(?:\S{1,30}\s{1,9}){0,3}%", re.IGNORECASE),
        re.compile(_SHARE, re.IGNORECASE),
    ),
    _Kind(re.compile(r"\bhow much of\b", re.IGNORECASE), re.compile(_PART, re.IGNORECASE)),
    _Kind(
        re.compile(
            r"\bhow (?:often|frequently)\b|\bhow many times (?:a|per) |" + foreign.ASKED_FREQUENCY, re.IGNORECASE
        ),
        re.compile(_FREQUENCY, re.IGNORECASE),
    ),
    _Kind(
        re.compile(
            rf"\bhow (?:long|soon|early|late|quick(?:ly)?|fast|recent(?:ly)?|old)\b"
            rf"|\bhow (?:many|much)\s+(?:\w+\s+){{0,2}}?(?:{_UNIT}|time|notice)\b"
            r"|\b(?:response|turnaround|processing|wait) time\b|\bhow far (?:ahead|in advance|out)\b"
            rf"|{foreign.ASKED_DURATION}",
            re.IGNORECASE,
        ),
        re.compile(_DURATION, re.IGNORECASE),
    ),
    _Kind(
        re.compile(
            r"\bhow much (?:do(?:es)?|is|are|it|will|would|money|can (?:i|we) (?:spend|get)|per|training)\b"
            r"|\bwhat(?:'?s| is| are| does)?\b[^?]{0,40}\b(?:costs?|price|fees?|rate|salary|stipend|budget)\b"
            r"|\b(?:cost|price|fee|rate)s?\s+(?:of|per|for)\b|\b(?:hourly|daily)\s+(?:cost|rate|fee)\b"
            rf"|(?:^|\s)\$+(?:\s|$)|{foreign.ASKED_MONEY}",
            re.IGNORECASE,
        ),
        re.compile(_MONEY, re.IGNORECASE),
    ),
    _Kind(
        re.compile(
            r"\bhow (?:many|big|large|high)\b|\bhow much\b|\bnumber of\b|\bcap on\b"
            r"|\b(?:max|maximum|minimum|limit|quota|word count|at most)\b(?!\.)"
            rf"|{foreign.ASKED_NUMBER}",
            re.IGNORECASE,
        ),
        re.compile(_NUMBER, re.IGNORECASE),
    ),
    _Kind(
        re.compile(rf"\bwhat time\b|\b(?:opening|open) hours\b|\bwhat hours\b|{foreign.ASKED_CLOCK}", re.IGNORECASE),
        re.compile(_CLOCK, re.IGNORECASE),
    ),
)
_OTHER = re.compile(
    r"^\W*(?:(?:ok|so|hi|hey|and|but)\W+)?"
    r"(?:is|are|am|was(?! kost)|do|does|did|can|could|may|might|must|should|shall|will|would|has|have|had|if"
    r"|who|whom|whose|who'?s|why|where|where'?s|which)\b",
    re.IGNORECASE,
)
"""How a question begins that asks for yes or no, a person, a reason or a place, whatever quantity it mentions."""


def doubt(question: str, passages: Iterable[str]) -> float:
    """Return how many times the odds rise that the passages don't answer, by the quantity that a question asks for.

    :param passages: their texts, with what their sections say next.
    :returns: 1 if it asks for none.
    """
    kind = None if _OTHER.search(question) else next((each for each in _KINDS if each.asked.search(question)), None)
    if kind is None:
        return 1.0
    stated = any(kind.stated.search(passage) for passage in passages)
    return ASKED if stated else ASKED * MISSING
