"""The fake takes triggers once, knows people's direct conversations and links, and judges buttons, as Slack does."""

from __future__ import annotations

from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from plugins.slack.testing import FakeSlack, Post, payloads
from plugins.slack.testing.judge import message_problems
from plugins.slack.testing.server import BOT_TOKEN

PLAIN = {"type": "plain_text", "text": "x"}
BUTTON = {"type": "button", "action_id": "go", "text": PLAIN, "value": "v"}
CONFIRM = {"title": PLAIN, "text": PLAIN, "confirm": PLAIN, "deny": PLAIN}
VIEW = {"type": "modal", "title": PLAIN, "blocks": [{"type": "section", "text": PLAIN}]}


@pytest.fixture
def client(fake_slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=fake_slack.api_url, timeout=1, retry_handlers=[])


@pytest.fixture
async def post(client: AsyncWebClient, fake_slack: FakeSlack) -> Post:
    await client.chat_postMessage(channel="C1", text="x", blocks=[{"type": "actions", "elements": [BUTTON]}])
    return fake_slack.posts("C1")[0]


async def test_a_trigger_opens_one_view(client: AsyncWebClient, fake_slack: FakeSlack, post: Post) -> None:
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await client.views_open(trigger_id="made.up", view=VIEW)
    fake_slack.events_url = fake_slack.api_url  # nobody needs to take it: the trigger is given all the same
    pressed = await fake_slack.press_button("x", user="U1", post=post)
    trigger = pressed.payload["trigger_id"]
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.views_open(trigger_id=trigger, view={**VIEW, "type": "home"})
    await client.views_open(trigger_id=trigger, view=VIEW)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=trigger, view=VIEW)
    assert len(fake_slack.views) == 1


async def test_a_person_has_one_direct_conversation_and_a_message_a_link(client: AsyncWebClient, post: Post) -> None:
    for _ in range(2):
        assert (await client.conversations_open(users="U1"))["channel"]["id"] == "D1"
    with pytest.raises(SlackApiError, match="user_not_found"):
        await client.conversations_open(users="C1")
    reply = await client.chat_postMessage(channel="C1", text="reply", thread_ts=post.ts)
    root, link = [
        (await client.chat_getPermalink(channel="C1", message_ts=ts))["permalink"] for ts in (post.ts, reply["ts"])
    ]
    assert root == f"https://fake.slack.com/archives/C1/p{post.ts.replace('.', '')}"
    assert link.endswith(f"?thread_ts={post.ts}&cid=C1")
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client.chat_getPermalink(channel="C1", message_ts="1.1")


async def test_bolt_takes_a_message_shortcut_for_one(post: Post) -> None:
    heard = []

    async def authorize() -> Any:
        return AuthorizeResult(enterprise_id=None, team_id=payloads.TEAM)

    app = AsyncApp(authorize=authorize, signing_secret="", request_verification_enabled=False)

    @app.message_shortcut("correct")
    async def taken(ack: Any, shortcut: Any) -> None:
        await ack()
        heard.append((shortcut["channel"]["id"], shortcut["message_ts"], shortcut["message"]["text"]))

    chosen = payloads.message_action(post, "correct", user="U1")
    response = await app.async_dispatch(AsyncBoltRequest(body=chosen, mode="socket_mode"))
    assert response.status == 200
    assert heard == [("C1", post.ts, "x")]


async def test_a_button_that_is_not_there_cannot_be_pressed(fake_slack: FakeSlack, post: Post) -> None:
    with pytest.raises(AssertionError, match="has no button 'Go'"):
        await fake_slack.press_button("Go", user="U1", post=post)


@pytest.mark.parametrize(
    ("button", "problem"),
    [
        ({**BUTTON, "confirm": CONFIRM, "style": "danger"}, ""),
        ({**BUTTON, "confirm": {**CONFIRM, "text": {"type": "mrkdwn", "text": "*x*"}}}, ""),
        (
            {**BUTTON, "confirm": {**CONFIRM, "title": {"type": "plain_text", "text": "x" * 101}}},
            "title has 101",
        ),
        ({**BUTTON, "confirm": {**CONFIRM, "deny": None}}, "confirm deny is no plain_text object"),
        ({**BUTTON, "style": "loud"}, "style 'loud'"),
    ],
)
def test_buttons_are_judged_with_the_question_that_follows(button: Any, problem: str) -> None:
    found = message_problems("x", [{"type": "actions", "elements": [button]}])
    assert found == [] if not problem else problem in found[0]
