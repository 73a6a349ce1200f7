"""Which questions ask for a quantity, and which passages state one."""

from __future__ import annotations

import pytest

from bot.language.quantities import ASKED, MISSING, doubt


@pytest.mark.parametrize(
    ("question", "stated", "missing"),
    [
        ("how long does it take from pitch to published post?", "It takes two weeks.", "The editor reads it."),
        ("How many days' notice do I give?", "Tell us within five business days.", "Tell all 12 of your colleagues."),
        ("how often is the PTA redone", "Re-certify it annually.", "Re-certify it."),
        ("how much does an ATO cost a partner agency?", "It costs $500.", "The partner pays for it."),
        ("whats our hourly rate for partners this FY", "The rate is 150 dollars.", "Partners pay our rate."),
        ("what % does the agency match on TSP?", "It matches 5 percent.", "It matches what you pay."),
        ("whats the max word count for a blog post?", "At most 800 words.", "Write short posts."),
        ("How many contracts may a COR carry?", "A COR carries three.", "A COR carries contracts."),
        ("what time does the cafeteria open", "It opens at 8:30 am.", "It opens in the morning."),
    ],
)
def test_a_quantity_that_no_passage_states_is_missing(question: str, stated: str, missing: str) -> None:
    assert doubt(question, [stated]) == ASKED
    assert doubt(question, [missing]) == ASKED * MISSING
    assert doubt(question, [missing, stated]) == ASKED, "one of them is enough"


@pytest.mark.parametrize(
    "question",
    [
        "who approves travel that takes longer than 14 hours?",
        "Is there a limit on hotel rates?",
        "can i take 3 days off",
        "Where do I send the $90 receipt?",
        "why is the hourly rate so high?",
        "how do I book a train?",
        "who can sign themselves up on max.gov",
        "Wie lange dauert die Bearbeitung?",
    ],
)
def test_other_questions_ask_for_none(question: str) -> None:
    assert doubt(question, ["Ask your supervisor."]) == 1
