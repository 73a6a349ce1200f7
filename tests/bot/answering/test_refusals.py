"""Refusals are told from quotations of pages that sound like one."""

from __future__ import annotations

import pytest

from bot.answering.refusals import refuses
from bot.domain.questions import Passage

TEXT = "What if I cannot find my badge? I can\u2019t find it either. Report it to Security."
BADGE = Passage("c1", "d1", "badge.md", "Badges", TEXT, 1.0, "it", "s1")


@pytest.mark.parametrize(
    "answer",
    [
        "I don't find this.",
        "I don\u2019t find this in the passages.",
        "Sorry, but I could not find the answer.",
        "I cannot find any information about pets [1].",
        "**I can't find this.**",
    ],
)
def test_an_answer_that_begins_as_a_refusal_is_one(answer: str) -> None:
    assert refuses(answer, [BADGE])


@pytest.mark.parametrize(
    "answer",
    [
        "What if I cannot find my badge?",
        "If you can't find your badge, report it to Security [1].",
        'Report it if you say "I can\'t find my badge".',
        "I cannot find my badge?",
        "I can't find it either.",
    ],
)
def test_what_a_page_says_is_no_refusal(answer: str) -> None:
    assert not refuses(answer, [BADGE])
