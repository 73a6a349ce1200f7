"""What asks something, and whom."""

from __future__ import annotations

import pytest

from plugins.slack.inbound.triggers import asks, to_others


@pytest.mark.parametrize(
    "text",
    [
        "Are hotels tax exempt?",
        "Are hotels tax exempt? Thanks.",
        "*Really?* I doubt it",
        "酒店免税吗\uff1f",
        "هل الفنادق معفاة؟",
        "See <https://example.org/a?b=1|this>, is it right?",
        "(is it?)",
        "What?!",
    ],
)
def test_a_question_mark_at_a_words_end_asks(text: str) -> None:
    assert asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "Lunch at noon.",
        "<https://example.org/a?b=1>",
        "https://example.org/a?",
        "Run `grep -c a? file` first",
        "```what?\nwhy?```",
        "a?b",
        "",
    ],
)
def test_links_and_code_ask_nothing(text: str) -> None:
    assert not asks(text)


@pytest.mark.parametrize("text", ["<@U9> are you there?", " <!subteam^S1|@admins> who knows?", "<!here> lunch?"])
def test_a_message_that_begins_by_calling_others_is_theirs(text: str) -> None:
    assert to_others(text)


@pytest.mark.parametrize("text", ["What did <@U9> say?", "Are hotels tax exempt?"])
def test_naming_somebody_later_calls_nobody(text: str) -> None:
    assert not to_others(text)
