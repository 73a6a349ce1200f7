"""Edits, deletions and buttons as inbox items."""

from __future__ import annotations

import pytest

from bot.testing.slack import payloads
from plugins.slack.conversations.arrivals import (
    ALONE_ACTION,
    EDIT_SECONDS,
    SHARE_ACTION,
    button,
    deletion,
    edit,
    same_words,
)

BEFORE = {"type": "message", "user": "U1", "text": "<@U0BOT> one", "channel": "C1", "ts": "100.000001"}


def changed(text="<@U0BOT> two", *, before=BEFORE, ts="101.000001", **parts):
    body = payloads.edited(before, text, ts=ts)
    body["message"].update(parts)
    return payloads.event(body)


def test_an_edit_carries_the_new_text_under_a_key_of_its_own():
    heard = edit(changed())
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
def test_what_is_no_edit_by_its_writer_asks_nothing(body):
    assert edit(body) is None


@pytest.mark.parametrize("replies", [True, False])
def test_a_deletion_names_the_message_with_or_without_replies(replies):
    item = deletion(payloads.event(payloads.deleted(BEFORE, ts="101.000001", replies=replies)))
    assert item.payload["key"] == "slack:T0FAKE:C1:100.000001"
    assert "text" not in item.payload


def test_an_edit_deletes_nothing():
    assert deletion(changed()) is None
    assert deletion(payloads.event(BEFORE)) is None


@pytest.mark.parametrize("action", [SHARE_ACTION, ALONE_ACTION])
def test_a_button_says_who_pressed_it_about_what(action):
    element = {"type": "button", "action_id": action, "value": "a_1", "text": {"type": "plain_text", "text": "x"}}
    body = payloads.private_press({"channel": "C1"}, element, "https://hooks/1", user="U1")
    assert button(body).payload == {"user": "U1", "channel": "C1", "about": "a_1", "response_url": "https://hooks/1"}
    assert button({**body, "actions": [{**body["actions"][0], "action_id": "other"}]}) is None
    assert button({**body, "actions": [{**body["actions"][0], "value": ""}]}) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Are hotels tax exempt?", "are hotels  tax-exempt", True),
        ("Are hotels exempt?", "Are motels exempt?", False),
        ("floor 3", "floor 4", False),
    ],
)
def test_punctuation_and_case_change_no_words(one, other, same):
    assert same_words(one, other) is same
