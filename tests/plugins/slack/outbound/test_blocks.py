from __future__ import annotations

from typing import Any

import pytest

from bot.domain.deliveries import OutboxItem
from plugins.slack.copy import answers as texts
from plugins.slack.copy.formats import readable
from plugins.slack.outbound.blocks import render
from plugins.slack.testing.judge import message_problems

WEB = {"n": 1, "document": "https://handbook.example/travel/hotels?x=1#tax", "heading": "Hotels", "text": "…"}
FILE = {"n": 2, "document": "travel/trains.md", "heading": "Trains & <more>", "text": "…"}


def answer(**payload: Any) -> OutboxItem:
    given = {"answer_id": "a_1", "text": "Yes [1].", "known": True, "source": "model", "citations": [WEB, FILE]}
    return OutboxItem("slack", "answer", {"channel": "C1", "thread_ts": "1.1"}, {**given, **payload}, id="out_1")


def context(message: Any) -> Any:
    return [element["text"] for block in message.blocks if block["type"] == "context" for element in block["elements"]]


def test_sources_are_numbered_with_heading_and_where_they_are() -> None:
    [message] = render(answer())
    assert context(message) == [
        "*Sources*",
        "[1] Hotels — <https://handbook.example/travel/hotels?x=1#tax|handbook.example/travel/hotels>",
        "[2] Trains &amp; &lt;more&gt; — travel/trains.md",
    ]
    assert message_problems(message.text, message.blocks) == []
    assert message.metadata == {"event_type": "mentee_answer", "event_payload": {"outbox_id": "out_1", "part": 0}}


@pytest.mark.parametrize(
    "document", ["javascript:alert(1)", "file:///etc/passwd", "https://", "http:///x", "<!channel>"]
)
def test_a_document_that_is_no_web_page_is_no_link(document: str) -> None:
    line = texts.source_line(1, "Heading", document)
    assert "<" not in line


def test_a_notice_has_no_sources_and_no_thumbs() -> None:
    [message] = render(OutboxItem("slack", "apology", {"channel": "C1", "thread_ts": "1.1"}, {"text": "Sorry."}))
    assert [block["type"] for block in message.blocks] == ["markdown"]


def test_a_text_of_which_nothing_may_be_shown_still_ends_what_was_begun() -> None:
    [message] = render(answer(text="![](https://elsewhere.example/secret)"))
    assert (message.body, message.blocks[0]["text"]) == ("…", "…")


def test_a_preview_names_nobody() -> None:
    [message] = render(answer(text="<!channel> look"))
    assert "<" not in message.text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<@U0BOT> Are hotels tax exempt?", "Are hotels tax exempt?"),
        ("<@U0BOT> ask <@U2|ada> or <@U3>", "ask @ada or @U3"),
        ("see <#C1|travel> and <https://a.example/x|the form>", "see #travel and the form (https://a.example/x)"),
        ("<https://a.example|a.example> &amp; &lt;b&gt;", "a.example & <b>"),
        ("<@U0BOT>", ""),
    ],
)
def test_a_message_is_read_as_its_writer_saw_it(text: str, read: str) -> None:
    assert readable(text, "U0BOT") == read
