"""The fake behaves as slack_sdk expects of Slack."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from plugins.slack.testing import FakeSlack, drop, error, hang, http_error, payloads, rate_limited
from plugins.slack.testing.judge import message_problems, view_problems
from plugins.slack.testing.server import APP_TOKEN, BOT_TOKEN
from plugins.slack.testing.wire import Post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}


@pytest.fixture
def client(fake_slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=fake_slack.api_url, timeout=1, retry_handlers=[])


async def test_messages_are_found_again_with_their_metadata(client: AsyncWebClient) -> None:
    metadata = {"event_type": "mentee_answer", "event_payload": {"outbox_id": "out_1", "part": 0}}
    root = await client.chat_postMessage(channel="C1", text="root")
    for number in range(3):
        await client.chat_postMessage(channel="C1", text=f"{number}", thread_ts=root["ts"], metadata=metadata)
    first = await client.conversations_replies(channel="C1", ts=root["ts"], limit=2, include_all_metadata=True)
    rest = await client.conversations_replies(
        channel="C1", ts=root["ts"], limit=2, cursor=first["response_metadata"]["next_cursor"]
    )
    assert [message["text"] for message in (*first["messages"], *rest["messages"])] == ["root", "0", "1", "2"]
    assert first["messages"][1]["metadata"] == metadata
    assert "metadata" not in rest["messages"][0]
    assert [post["text"] for post in (await client.conversations_history(channel="C1"))["messages"]] == ["root"]


async def test_unknown_tokens_and_methods_are_refused(client: AsyncWebClient, fake_slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError, match="unknown_method"):
        await client.api_call("chat.sing")
    client.token = "xoxb-other"
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await client.auth_test()
    assert [call.answer for call in fake_slack.calls] == ["unknown_method", "invalid_auth"]


async def test_faults_happen_as_scripted_and_then_end(client: AsyncWebClient, fake_slack: FakeSlack) -> None:
    fake_slack.fail("chat.postMessage", rate_limited(7))
    fake_slack.fail("chat.postMessage", http_error(503))
    fake_slack.fail("chat.postMessage", error("is_archived"))
    fake_slack.fail("chat.postMessage", drop(stored=False))
    fake_slack.fail("chat.postMessage", drop(stored=True))
    fake_slack.fail("chat.postMessage", hang(2))
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel="C1", text="1")
    assert (limited.value.response.status_code, limited.value.response.headers["Retry-After"]) == (429, "7")
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel="C1", text="2")
    with pytest.raises(SlackApiError, match="is_archived"):
        await client.chat_postMessage(channel="C1", text="3")
    for text in ("4", "5"):
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel="C1", text=text)
    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel="C1", text="6")
    await client.chat_postMessage(channel="C1", text="7")
    assert [post.text for post in fake_slack.posts("C1")] == ["5", "7"]


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([{"type": "markdown", "text": "x" * 12_001}], "markdown"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}], "3001 characters"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "151 characters"),
        ([{"type": "section", "fields": [SECTION["text"]] * 11}], "over 10 fields"),
        ([{"type": "context", "elements": [SECTION["text"]] * 11}], "11 elements"),
        ([{"type": "actions", "elements": [BUTTON] * 26}], "26 elements"),
        ([{"type": "actions", "elements": [{**BUTTON, "value": "x" * 2_001}]}], "value over 2000"),
        ([{"type": "actions", "elements": [{**BUTTON, "action_id": "x" * 256}]}], "action_id"),
        ([{"type": "context_actions", "elements": [{"type": "feedback_buttons"}] * 6}], "6 elements"),
        (
            [{"type": "context_actions", "elements": [{"type": "feedback_buttons", "action_id": "a"}]}],
            "positive_button",
        ),
        ([SECTION] * 51, "51 blocks"),
        ([{**SECTION, "block_id": "b"}] * 2, "block_id twice"),
        ([{**SECTION, "block_id": "b" * 256}], "block_id over"),
        ([{"type": "table"}], "'table'"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_700}}] * 5, "msg_blocks_too_long"),
        ([{"type": "section"}], "empty section"),
    ],
)
def test_the_judge_refuses_what_slack_refuses(blocks: Any, problem: str) -> None:
    assert problem in " ".join(message_problems("text", blocks))
    assert message_problems("text", [SECTION]) == []


def test_the_judge_knows_a_modals_limits() -> None:
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "x" * 25},
        "blocks": [SECTION],
        "callback_id": "c" * 256,
    }
    problems = " ".join(view_problems(view))
    assert "25 characters" in problems
    assert "callback_id" in problems
    options = [{"text": {"type": "plain_text", "text": "x"}, "value": "v"}] * 11
    element = {"type": "radio_buttons", "action_id": "a", "options": options}
    block = {"type": "input", "label": {"type": "plain_text", "text": "x"}, "element": element}
    assert "11 options" in " ".join(view_problems({"type": "modal", "blocks": [block]}))


@pytest.fixture
async def socket(fake_slack: FakeSlack) -> AsyncIterator[Any]:
    web = AsyncWebClient(base_url=fake_slack.api_url, retry_handlers=[])
    client = SocketModeClient(APP_TOKEN, web_client=web, ping_interval=0.1)
    yield client
    await client.close()  # type: ignore[no-untyped-call]
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


async def acknowledge(client: Any, request: Any) -> None:
    await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, {"seen": request.type}))


async def test_envelopes_are_acknowledged_and_unanswered_ones_are_not(
    socket: Any, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.slack.testing.sockets.ACK_SECONDS", 0.3)
    await socket.connect()
    event = payloads.event(payloads.message("app_mention", text="x", channel="C1", user="U1", ts="1.1"))
    given_up = await fake_slack.deliver(event)
    assert (given_up.status, given_up.attempts) == (0, 2), "Slack delivers again at once"
    assert (await fake_slack.deliver(event, again=False)).attempts == 1
    socket.socket_mode_request_listeners.append(acknowledge)
    taken = await fake_slack.deliver(event)
    assert (taken.acknowledged, taken.body) == (True, {"seen": "events_api"})


async def test_a_socket_told_to_go_and_one_without_pongs_are_replaced(socket: Any, fake_slack: FakeSlack) -> None:
    await socket.connect()
    await fake_slack.sockets.disconnect("refresh_requested")
    await fake_slack.wait_until(lambda: fake_slack.sockets.accepted >= 2)
    accepted = fake_slack.sockets.accepted
    fake_slack.sockets.answer_pings = False
    await fake_slack.wait_until(lambda: fake_slack.sockets.accepted > accepted)
    fake_slack.sockets.answer_pings = True


async def test_a_call_without_its_scope_is_refused_and_every_answer_names_the_scopes(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    fake_slack.web_api.granted = {"chat:write", "channels:history"}
    answer = await client.chat_postMessage(channel="C1", text="root")
    assert answer.headers["X-OAuth-Scopes"] == "channels:history,chat:write"
    await client.conversations_replies(channel="C1", ts=answer["ts"])
    for call, scope in (
        (client.conversations_replies(channel="D1", ts="1.1"), "im:history"),
        (client.users_info(user="U1"), "users:read"),
    ):
        with pytest.raises(SlackApiError) as refused:
            await call
        assert (refused.value.response["error"], refused.value.response["needed"]) == ("missing_scope", scope)


async def test_a_refused_socket_says_why(fake_slack: FakeSlack) -> None:
    fake_slack.sockets.refusal = "link_disabled"
    url = fake_slack.api_url.replace("http", "ws").replace("/api/", "/socket")
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert await socket.receive_json() == {"type": "disconnect", "reason": "link_disabled"}
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE


async def test_home_tabs_prompts_titles_and_statuses_are_kept_as_the_sdk_sends_them(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    await client.views_publish(user_id="U1", view={"type": "home", "blocks": [SECTION]})
    assert fake_slack.surfaces.homes["U1"]["blocks"] == [SECTION]
    for view in ({"type": "modal", "blocks": [SECTION]}, {"type": "home", "blocks": [SECTION] * 101}):
        with pytest.raises(SlackApiError, match="invalid_arguments"):
            await client.views_publish(user_id="U2", view=view)
    assert "U2" not in fake_slack.surfaces.homes
    prompts = [{"title": "t", "message": "m"}] * 4
    await client.assistant_threads_setSuggestedPrompts(channel_id="D1", prompts=prompts)
    assert fake_slack.surfaces.prompts["D1", None]["prompts"] == prompts
    await client.assistant_threads_setSuggestedPrompts(channel_id="D1", thread_ts="1.0", prompts=prompts)
    assert ("D1", "1.0") not in fake_slack.surfaces.prompts  # as in Slack: ok, and nothing is shown
    for bad in (prompts * 2, [], [{"title": "t", "message": ""}]):
        with pytest.raises(SlackApiError, match="invalid_arguments"):
            await client.assistant_threads_setSuggestedPrompts(channel_id="D1", prompts=bad)
    await client.assistant_threads_setTitle(channel_id="D1", thread_ts="1.0", title="Hotels & more")
    assert fake_slack.surfaces.titles["D1", "1.0"] == "Hotels & more"
    await client.assistant_threads_setStatus(channel_id="D1", thread_ts="1.0", status="looks", loading_messages=["a"])
    assert fake_slack.surfaces.statuses[0]["status"] == "looks"
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.assistant_threads_setStatus(
            channel_id="D1", thread_ts="1.0", status="looks", loading_messages=["a"] * 11
        )


async def test_a_response_url_takes_five_posts_in_half_an_hour(fake_slack: FakeSlack, socket: Any) -> None:
    socket.socket_mode_request_listeners.append(acknowledge)
    await socket.connect()
    typed = await fake_slack.command("ask x", user="U5", channel="C5")
    assert typed.body == {"seen": "slash_commands"}
    respond = AsyncWebhookClient(typed.payload["response_url"], retry_handlers=[])
    too_long = await respond.send(text="x", blocks=[{"type": "markdown", "text": "x" * 12_001}])
    assert (too_long.status_code, json.loads(too_long.body)["error"]) == (404, "invalid_blocks")
    for number in range(5):
        posted = await respond.send(text=f"{number}", blocks=[SECTION], response_type="ephemeral")
        assert (posted.status_code, posted.body) == (200, "ok")
    assert json.loads((await respond.send(text="6")).body)["error"] == "used_url"
    assert [(seen["user"], seen["channel"], seen["text"]) for seen in fake_slack.ephemerals] == [
        ("U5", "C5", f"{number}") for number in range(5)
    ]
    fake_slack.surfaces.expire("1")
    assert json.loads((await respond.send(text="7")).body)["error"] == "expired_url"


async def test_a_file_is_handed_over_to_a_token_that_may_read_it_and_described_on_request(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    file = fake_slack.files.add("notes.md", b"# Notes", user="U5")
    own = {"Authorization": f"Bearer {BOT_TOKEN}"}
    assert (await client.files_info(file=file["id"]))["file"]["size"] == 7
    with pytest.raises(SlackApiError, match="file_not_found"):
        await client.files_info(file="F9999")
    async with aiohttp.ClientSession() as session:
        async with session.get(file["url_private"], headers=own) as given:
            assert (given.status, await given.read(), given.content_type) == (200, b"# Notes", "text/markdown")
        async with session.get(file["url_private"], allow_redirects=False) as refused:
            assert (refused.status, "redir=" in refused.headers["Location"]) == (302, True)
        fake_slack.files.refusal = "page"
        fake_slack.web_api.granted -= {"files:read"}
        async with session.get(file["url_private"], headers=own) as page:
            assert (page.status, page.content_type, b"Sign in" in await page.read()) == (200, "text/html", True)
    assert [call.answer for call in fake_slack.called("files.download")] == ["", "not_authed", "not_authed"]


async def test_groups_are_told_by_id_and_messages_of_the_app_deleted(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    fake_slack.workspace.groups = {"S1": {"U2", "U1"}}
    assert (await client.usergroups_users_list(usergroup="S1"))["users"] == ["U1", "U2"]
    with pytest.raises(SlackApiError, match="no_such_subteam"):
        await client.usergroups_users_list(usergroup="S2")
    mine = await client.chat_postMessage(channel="C1", text="mine")
    asked = somebodys_message(fake_slack)
    with pytest.raises(SlackApiError, match="cant_delete_message"):
        await client.chat_delete(channel="C1", ts=asked)
    await client.chat_delete(channel="C1", ts=mine["ts"])
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client.chat_delete(channel="C1", ts=mine["ts"])
    assert [post.ts for post in fake_slack.web_api.posts] == [asked]
    await client.reactions_add(channel="C1", timestamp=asked, name="shrug")
    with pytest.raises(SlackApiError, match="already_reacted"):
        await client.reactions_add(channel="C1", timestamp=asked, name="shrug")


async def test_channels_tell_whether_another_company_shares_them(client: AsyncWebClient, fake_slack: FakeSlack) -> None:
    fake_slack.workspace.shared.add("C2")
    told = [(await client.conversations_info(channel=channel))["channel"]["is_ext_shared"] for channel in ("C1", "C2")]
    assert told == [False, True]


async def test_a_message_for_one_person_is_shown_only_where_its_thread_has_replies(
    client: AsyncWebClient, fake_slack: FakeSlack
) -> None:
    asked = somebodys_message(fake_slack)
    await client.chat_postEphemeral(channel="C1", user="U1", text="unseen", thread_ts=asked)
    await client.chat_postMessage(channel="C1", text="an answer", thread_ts=asked)
    await client.chat_postEphemeral(channel="C1", user="U1", text="seen", thread_ts=asked)
    await client.chat_postEphemeral(channel="C1", user="U1", text="seen as well")
    assert [shown["text"] for shown in fake_slack.ephemerals] == ["seen", "seen as well"]


def somebodys_message(fake_slack: FakeSlack) -> Any:
    """Let somebody write where no app listens, and return the message's ts."""
    ts = fake_slack.web_api.clock.ts()
    fake_slack.web_api.posts.append(Post("C1", ts, "U1", "a question"))
    return ts
