"""The fake streams as Slack does, through the SDK's own helper."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.messages.chunk import TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from plugins.slack.testing import FakeSlack, Post, rate_limited
from plugins.slack.testing.server import BOT_TOKEN

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "below"}}
RECIPIENT = {"recipient_user_id": "U1", "recipient_team_id": "T0FAKE"}


@pytest.fixture
def client(fake_slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=fake_slack.api_url, timeout=1, retry_handlers=[])


async def refused(name: str, calling: Any) -> None:
    with pytest.raises(SlackApiError) as error:
        await calling
    assert error.value.response["error"] == name


@pytest.fixture
async def stream(client: AsyncWebClient) -> Any:
    return await client.chat_stream(channel="C1", thread_ts="1.1", buffer_size=1, **RECIPIENT)


async def test_a_stream_is_seen_as_it_grows_and_keeps_what_it_ends_with(
    client: AsyncWebClient, stream: Any, fake_slack: FakeSlack
) -> None:
    step = TaskUpdateChunk(id="t1", title="Searching", status="in_progress")
    await stream.append(chunks=[step])
    [post] = fake_slack.posts("C1", thread="1.1")
    assert (post.ts, post.streaming, post.shown) == (stream.ts, True, "Searching")
    await stream.append(markdown_text="Hotels ")
    assert "Hotels" in post.shown
    metadata = {"event_type": "mentee_answer", "event_payload": {"outbox_id": "out_1", "part": 0}}
    await stream.stop(
        markdown_text="are tax exempt.",
        chunks=[TaskUpdateChunk(id="t1", title="Searching", status="complete")],
        blocks=[SECTION],
        metadata=metadata,
    )
    assert (post.streaming, post.shown) == (False, "Searching\nHotels are tax exempt.\nbelow")
    page = await client.conversations_replies(channel="C1", ts="1.1", include_all_metadata=True)
    [message] = page["messages"]
    assert message["metadata"] == metadata
    assert (message["blocks"][0]["task_id"], message["blocks"][0]["status"]) == ("t1", "complete")


async def test_a_channel_wants_to_know_for_whom(client: AsyncWebClient) -> None:
    await refused("missing_recipient_user_id", client.chat_startStream(channel="C1", thread_ts="1.1"))
    await refused(
        "missing_recipient_team_id", client.chat_startStream(channel="C1", thread_ts="1.1", recipient_user_id="U1")
    )
    assert (await client.chat_startStream(channel="D1", thread_ts="1.1"))["ok"]
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.api_call("chat.startStream", json={"channel": "D1"})


async def test_a_stream_takes_one_kind_of_content_within_its_limits(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    started = await client.chat_startStream(channel="D1", thread_ts="1.1", markdown_text="a")
    where = {"channel": "D1", "ts": started["ts"]}
    task = {"type": "task_update", "id": "t1", "title": "x", "status": "complete"}
    await refused("streaming_mode_mismatch", client.chat_appendStream(**where, chunks=[task]))
    await refused(
        "cannot_provide_both_markdown_text_and_chunks",
        client.chat_appendStream(**where, markdown_text="b", chunks=[task]),
    )
    await refused("no_text", client.chat_appendStream(**where))
    await refused("msg_too_long", client.chat_appendStream(**where, markdown_text="x" * 12_001))
    for bad in ({"type": "gif"}, {**task, "title": "x" * 257}, {**task, "status": "asleep"}, {**task, "id": ""}):
        await refused("invalid_chunks", client.chat_startStream(channel="D1", thread_ts="1.1", chunks=[bad]))
    await refused("invalid_blocks", client.chat_stopStream(**where, blocks=[{"type": "table"}]))
    [post] = fake_slack.posts("D1")
    assert (post.text, post.streaming) == ("a", True), "a call that is refused changes nothing"


async def test_an_open_stream_cannot_be_edited_and_a_closed_one_not_continued(
    client: AsyncWebClient, stream: Any, fake_slack: FakeSlack
) -> None:
    await stream.append(markdown_text="a")
    where = {"channel": "C1", "ts": stream.ts}
    await refused("streaming_state_conflict", client.chat_update(**where, text="b"))
    await refused("cant_delete_message", client.chat_delete(**where))
    await client.chat_stopStream(**where)
    await refused("message_not_in_streaming_state", client.chat_appendStream(**where, markdown_text="b"))
    await refused("message_not_in_streaming_state", client.chat_stopStream(**where))
    await client.chat_update(**where, text="b", blocks=[SECTION])
    assert fake_slack.posts("C1")[0].shown == "below"
    fake_slack.streams.rewritable = False
    await refused("block_mismatch", client.chat_update(**where, text="c"))
    await refused("message_not_found", client.chat_stopStream(channel="C1", ts="9.9"))


async def test_a_stream_ends_by_time_and_by_its_reader(
    client: AsyncWebClient, stream: Any, fake_slack: FakeSlack
) -> None:
    await stream.append(markdown_text="a")
    fake_slack.streams.end(fake_slack.posts("C1")[0])
    await refused("message_not_in_streaming_state", stream.append(markdown_text="b"))
    other = await client.chat_stream(channel="C2", thread_ts="1.1", buffer_size=1, **RECIPIENT)
    await other.append(markdown_text="a")
    fake_slack.streams.end(fake_slack.posts("C2")[0], by="reader")
    await refused("stopped_by_user", other.append(markdown_text="b"))


async def test_an_edit_is_judged_like_a_post(client: AsyncWebClient, fake_slack: FakeSlack) -> None:
    posted = await client.chat_postMessage(channel="C1", text="a")
    where = {"channel": "C1", "ts": posted["ts"]}
    await refused("msg_too_long", client.chat_update(**where, text="x" * 4_001))
    await refused("invalid_blocks", client.chat_update(**where, text="a", blocks=[{"type": "table"}]))
    fake_slack.web_api.posts.append(Post("C1", "1.1", "U1", "a person's"))
    await refused("cant_update_message", client.chat_update(channel="C1", ts="1.1", text="b"))


async def test_the_synchronous_client_is_understood(fake_slack: FakeSlack) -> None:
    client = WebClient(BOT_TOKEN, base_url=fake_slack.api_url, timeout=5)
    assert (await asyncio.to_thread(client.auth_test))["user_id"] == "U0BOT"


async def test_a_rate_is_a_plan_that_begins_later(client: AsyncWebClient, fake_slack: FakeSlack) -> None:
    fake_slack.fail("chat.startStream", rate_limited(30), times=9, after=2)
    for _ in range(2):
        await client.chat_startStream(channel="D1", thread_ts="1.1")
    with pytest.raises(SlackApiError) as limited:
        await client.chat_startStream(channel="D1", thread_ts="1.1")
    assert limited.value.response.headers["Retry-After"] == "30"
