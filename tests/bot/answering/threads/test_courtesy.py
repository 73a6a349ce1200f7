"""Messages that ask nothing are told from questions, in several languages, and never the other way round."""

from __future__ import annotations

import pytest

from bot.answering.threads.courtesy import REPLIES, Courtesy, courtesy, without_courtesies


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hi", "greeting"),
        ("Good morning everyone!", "greeting"),
        ("Hi, how are you?", "greeting"),
        ("Thank you!", "thanks"),
        ("hello, thanks for your help", "thanks"),
        ("thank u :)", "thanks"),
        ("Thank you! That is what I needed.", "thanks"),
        ("Vielen Dank!", "thanks"),
        ("ありがとうございます!", "thanks"),
        ("ok thanks, bye", "thanks"),
        ("have a great day :wave::skin-tone-3:", "farewell"),
        ("ok, perfect, that worked", "nod"),
        ("👍🏽", "nod"),
        (":+1:", "nod"),
        ("...", "nod"),
        ("D\u2019accord", "nod"),
    ],
)
def test_courtesies_are_known(text: str, kind: Courtesy) -> None:
    assert courtesy(text) == kind
    assert REPLIES[kind]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok, and for contractors?",
        "thanks! where is the form?",
        "hi, how do I get access to Slack?",
        "and you?",
        "so?",
        "fine print",
        "Good day rates",
        "OK Google",
        "thanks " * 30,
        "?",
        "??",
        "？",
        "VLTP",
        "no badge",
        "東京",
    ],
)
def test_what_may_be_a_question_is_none(text: str) -> None:
    assert courtesy(text) is None


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("ok, and for contractors?", "and for contractors?"),
        ("Thanks! That worked. Where is the form?", "Where is the form?"),
        ("perfect and for Macs?", "and for Macs?"),
        ("well-known ok", "well-known ok"),
        ("thanks!", "thanks!"),
        ("ok, " * 2_000 + "where?", "where?"),
    ],
)
def test_a_question_is_found_behind_courtesies(text: str, rest: str) -> None:
    assert without_courtesies(text) == rest
