"""Edits, deletions and buttons as inbox items."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.slack.handlers.revisions import same_words
from plugins.slack.inbound.interactions import private_button
from plugins.slack.inbound.message_changes import EDIT_SECONDS, deletion, edit
from plugins.slack.outbound.blocks import ANSWER_PRIVATELY_ACTION, SHARE_ACTION
from plugins.slack.testing import payloads

BEFORE = {"type": "message", "user": "U1", "text": "<@U0BOT> one", "channel": "C1", "ts": "100.000001"}


def changed(text: str = "<@U0BOT> two", *, before: Any = BEFORE, ts: str = "101.000001", **parts: Any) -> Any:
    body = payloads.edited(before, text, ts=ts)
    body["message"].update(parts)
    return payloads.event(body)


def test_an_edit_carries_the_new_text_under_a_key_of_its_own() -> None:
    heard = edit(changed())
    assert heard is not None
    assert (heard.addressed, heard.item.payload["text"], heard.item.payload["ts"]) == (
        True, "<@U0BOT> two", "100.000001",
    )  # fmt: skip
    assert heard.item.message_key == "slack:T0FAKE:C1:100.000001:edited:101.000001"


@pytest.mark.parametrize(
    "body",
    [
        changed("<@U0BOT> one"),
        changed(ts=f"{100 + EDIT_SECONDS + 1:.6f}"),
        changed(edited=None),
        changed(bot_id="B1"),
        changed(user="U0BOT"),
        payloads.event(BEFORE),
        payloads.event(payloads.deleted(BEFORE, ts="101.000001", replies=True)),
    ],
)
def test_what_is_no_edit_by_its_writer_asks_nothing(body: Any) -> None:
    assert edit(body) is None


@pytest.mark.parametrize("replies", [True, False])
def test_a_deletion_names_the_message_with_or_without_replies(replies: bool) -> None:
    item = deletion(payloads.event(payloads.deleted(BEFORE, ts="101.000001", replies=replies)))
    assert item is not None
    assert item.payload["key"] == "slack:T0FAKE:C1:100.000001"
    assert "text" not in item.payload


def test_an_edit_deletes_nothing() -> None:
    assert deletion(changed()) is None
    assert deletion(payloads.event(BEFORE)) is None


@pytest.mark.parametrize("action", [SHARE_ACTION, ANSWER_PRIVATELY_ACTION])
def test_a_button_says_who_pressed_it_about_what(action: Any) -> None:
    element = {"type": "button", "action_id": action, "value": "a_1", "text": {"type": "plain_text", "text": "x"}}
    body = payloads.private_press({"channel": "C1"}, element, "https://hooks/1", user="U1")
    item = private_button(body)
    assert item is not None
    assert item.payload == {
        "user": "U1",
        "channel": "C1",
        "about": "a_1",
        "response_url": "https://hooks/1",
    }
    assert private_button({**body, "actions": [{**body["actions"][0], "action_id": "other"}]}) is None
    assert private_button({**body, "actions": [{**body["actions"][0], "value": ""}]}) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Are hotels tax exempt?", "are hotels  tax-exempt", True),
        ("Are hotels exempt?", "Are motels exempt?", False),
        ("floor 3", "floor 4", False),
    ],
)
def test_punctuation_and_case_change_no_words(one: str, other: str, same: bool) -> None:
    assert same_words(one, other) is same
