"""The fake Slack as tests hold it: start it, point the app at it, talk to the app as people would."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from bot.testing import WAIT_SECONDS
from plugins.slack.testing import faults, payloads
from plugins.slack.testing.sockets import Sockets
from plugins.slack.testing.web_api.methods import BOT_USER, WebApi
from plugins.slack.testing.wire import Call, Changes, Delivery, Post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from plugins.slack.testing.faults import Fault
    from plugins.slack.testing.web_api.files import Files
    from plugins.slack.testing.web_api.oauth import OAuth
    from plugins.slack.testing.web_api.streams import Streams
    from plugins.slack.testing.web_api.surfaces import Surfaces
    from plugins.slack.testing.web_api.workspace import Workspace

SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
BOT_TOKEN = "xoxb-fake"
APP_TOKEN = "xapp-fake"


class FakeSlack:
    """A Slack workspace on loopback, used as an async context manager.

    Point the app's API address at :attr:`api_url` with :data:`BOT_TOKEN`, :data:`APP_TOKEN` and
    :data:`SIGNING_SECRET`. Events go over Socket Mode, or signed over HTTP once :attr:`events_url` is set.
    ``faults`` makes what :meth:`fail` takes.
    """

    faults = faults

    def __init__(self) -> None:
        self.changes = Changes()
        self.sockets = Sockets(self.changes)
        self.web_api = WebApi(
            self.changes, lambda: f"ws://127.0.0.1:{self._port}/socket", lambda: f"http://127.0.0.1:{self._port}"
        )
        self.events_url = ""
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=10_000_000)
        application.router.add_route("*", "/api/{method}", self.web_api.handle)
        application.router.add_post("/commands/{number}", self.web_api.respond)
        application.router.add_get("/oauth/v2/authorize", self.web_api.oauth.authorize)
        application.router.add_get("/files-pri/{file}/{name}", self.web_api.hand_over)
        application.router.add_get("/socket", self.sockets.handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sockets.cut()
        if self._session and self._runner:
            await self._session.close()
            await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """The Web API's address."""
        return f"http://127.0.0.1:{self._port}/api/"

    @property
    def calls(self) -> list[Call]:
        """Every Web API call so far, in order."""
        return self.web_api.calls

    def called(self, method: str) -> list[Call]:
        """Return the calls of one method."""
        return [call for call in self.calls if call.method == method]

    def posts(self, channel: str | None = None, *, thread: str | None = None) -> list[Post]:
        """Return the app's visible messages, oldest first."""
        return [
            post
            for post in self.web_api.posts
            if post.bot_id and channel in (None, post.channel) and thread in (None, post.thread_ts)
        ]

    @property
    def views(self) -> list[dict[str, Any]]:
        """The modals opened so far."""
        return self.web_api.views

    @property
    def ephemerals(self) -> list[dict[str, Any]]:
        """The messages shown to one person only."""
        return self.web_api.ephemerals

    @property
    def files(self) -> Files:
        """The files people shared; ``files.add(name, data)`` gives one to send along with a message."""
        return self.web_api.files

    @property
    def workspace(self) -> Workspace:
        """User groups, channels shared with other companies, reactions of the app."""
        return self.web_api.workspace

    @property
    def oauth(self) -> OAuth:
        """The workspaces beside the first; ``oauth.homes["C9"] = "T2"`` puts a conversation into one."""
        return self.web_api.oauth

    @property
    def surfaces(self) -> Surfaces:
        """What is shown around messages: Home tabs, suggested prompts, thread titles, status lines."""
        return self.web_api.surfaces

    @property
    def streams(self) -> Streams:
        """Messages that Slack streams: how they can end, and whether they can be rewritten."""
        return self.web_api.streams

    def fail(self, method: str, fault: Fault, *, times: int = 1, channel: str | None = None, after: int = 0) -> None:
        """Let the next ``times`` calls of ``method`` (in ``channel``, if given) fail, ``after`` so many that do not.

        A method's rate is such a plan: ``fail("chat.startStream", rate_limited(30), times=99, after=20)``.
        """
        self.web_api.plan.add(method, fault, times=times, channel=channel, after=after)

    async def wait_until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Return the first truthy value of ``condition``, evaluated after every change here."""
        return await self.changes.wait_until(condition, seconds)

    async def wait_for_post(
        self, channel: str | None = None, *, thread: str | None = None, count: int = 1, seconds: float = WAIT_SECONDS
    ) -> Post:
        """Return the app's ``count``-th message of a channel or thread, waiting until it is there and grows no more."""

        def complete() -> list[Post]:
            return [post for post in self.posts(channel, thread=thread) if not post.streaming]

        await self.wait_until(lambda: len(complete()) >= count, seconds)
        return complete()[count - 1]

    async def wait_for_socket(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the app holds a socket."""
        await self.wait_until(lambda: self.sockets.open, seconds)

    async def mention(
        self, text: str, *, user: str = "U1", channel: str = "C1", thread_ts: str | None = None, **parts: Any
    ) -> Delivery:
        """Mention the app in a channel. ``parts`` go into the event (``files``, …); ``again`` as in :meth:`deliver`."""
        said = f"<@{BOT_USER}> {text}"
        return await self._say("app_mention", said, user=user, channel=channel, thread_ts=thread_ts, **parts)

    async def message(
        self, text: str, *, user: str = "U1", channel: str = "D1", thread_ts: str | None = None, **parts: Any
    ) -> Delivery:
        """Write a message: a direct one in ``D…``, else in a channel. ``parts`` as in :meth:`mention`."""
        kind = "im" if channel.startswith("D") else "channel"
        parts = {"subtype": "file_share", "upload": False, **parts} if "files" in parts else parts
        return await self._say(
            "message", text, user=user, channel=channel, thread_ts=thread_ts, channel_type=kind, **parts
        )

    async def react(self, name: str, *, user: str, post: Post, remove: bool = False) -> Delivery:
        """Add an emoji reaction to a message of the app, or take it away."""
        kind = "reaction_removed" if remove else "reaction_added"
        return await self.deliver(payloads.event(payloads.reaction(kind, name, post, user=user)))

    async def press(self, side: Literal["up", "down"], *, user: str, post: Post, value: str | None = None) -> Delivery:
        """Press a thumb under an answer; ``value`` replaces the button's own, as a forger would."""
        element = post.thumbs
        if element is None:
            raise AssertionError(f"the message {post.ts} in {post.channel} has no thumbs")
        button = element["positive_button" if side == "up" else "negative_button"]
        pressed = payloads.press(post, element, value or button["value"], user=user)
        return await self.deliver(pressed, kind="interactive")

    async def press_button(self, label: str, *, user: str, post: Post, value: str | None = None) -> Delivery:
        """Press the button of that label under a message; ``value`` replaces its own, as a forger would."""
        button = labelled(post.blocks, label)
        if button is None:
            raise AssertionError(f"the message {post.ts} in {post.channel} has no button {label!r}")
        pressed = payloads.press(post, button, value or button["value"], user=user)
        return await self.deliver(pressed, kind="interactive")

    async def shortcut(self, callback_id: str, *, user: str, post: Post) -> Delivery:
        """Choose the app's entry in a message's menu, as anybody who sees the message can."""
        return await self.deliver(payloads.message_action(post, callback_id, user=user), kind="interactive")

    async def edit(self, asked: Delivery, text: str) -> Delivery:
        """Edit a message that somebody wrote; the mention of the app stays where there was one."""
        before = dict(asked.payload["event"])
        said = f"<@{BOT_USER}> {text}" if before["text"].startswith(f"<@{BOT_USER}>") else text
        self.web_api.find(before["channel"], before["ts"]).text = said
        asked.payload["event"]["text"] = said
        return await self.deliver(payloads.event(payloads.edited(before, said, ts=self.web_api.clock.ts())))

    async def delete(self, asked: Delivery) -> Delivery:
        """Delete a message that somebody wrote; with replies, it leaves a tombstone."""
        before = asked.payload["event"]
        replies = any(
            (post.channel, post.thread_ts) == (before["channel"], before["ts"]) for post in self.web_api.posts
        )
        self.web_api.posts.remove(self.web_api.find(before["channel"], before["ts"]))
        gone = payloads.deleted(before, ts=self.web_api.clock.ts(), replies=replies)
        return await self.deliver(payloads.event(gone))

    async def press_private(
        self, shown: dict[str, Any], label: str, *, user: str | None = None, value: str | None = None
    ) -> Delivery:
        """Press a button in a message that one person alone sees, as that person unless told otherwise."""
        buttons = [
            each for block in shown.get("blocks") or () if block["type"] == "actions" for each in block["elements"]
        ]
        button = next((each for each in buttons if each["text"]["text"] == label), None)
        if button is None:
            raise AssertionError(f"the message {shown.get('text')!r} has no button {label!r}")
        presser = user or shown["user"]
        url = f"http://127.0.0.1:{self._port}/commands/{self.surfaces.command(presser, shown['channel'], shown)}"
        pressed = payloads.private_press(shown, {**button, "value": value or button["value"]}, url, user=presser)
        return await self.deliver(pressed, kind="interactive")

    async def open_home(
        self,
        *,
        user: str = "U1",
        channel: str = "D1",
        tab: Literal["home", "messages"] = "home",
        external: bool = False,
    ) -> Delivery:
        """Open the app's Home tab, or (``messages``) the direct conversation with it."""
        return await self.deliver(payloads.event(payloads.home_opened(user, channel, tab), external=external))

    async def press_home(self, label: str, *, user: str, value: str | None = None) -> Delivery:
        """Press the first button of that label in a Home tab; ``value`` replaces its own, as a forger would."""
        view = self.surfaces.homes[user]
        button = labelled(view["blocks"], label)
        if button is None:
            raise AssertionError(f"the Home tab of {user} has no button {label!r}")
        pressed = payloads.home_press(view, {**button, "value": value or button.get("value", "")}, user=user)
        return await self.deliver(pressed, kind="interactive")

    async def start_thread(self, *, user: str = "U1", channel: str = "D1") -> Delivery:
        """Open a thread with an app that has ``assistant_view``; its ``ts`` is in the event."""
        ts = self.web_api.clock.ts()
        self.web_api.posts.append(Post(channel, ts, "", "New conversation", at=time.monotonic()))
        return await self.deliver(payloads.event(payloads.thread_started(user, channel, ts)))

    async def command(self, text: str, *, user: str = "U1", channel: str = "C1", name: str = "/mentee") -> Delivery:
        """Type a slash command; what the app answers at once is the delivery's ``body``."""
        url = f"http://127.0.0.1:{self._port}/commands/{self.surfaces.command(user, channel)}"
        typed = payloads.command(name, text, url, user=user, channel=channel)
        return await self.deliver(typed, kind="slash_commands")

    async def submit_view(self, view: Mapping[str, Any], *, user: str, **values: str | None) -> Delivery:
        """Submit an opened modal with values by action id."""
        return await self.deliver(payloads.submission(user, dict(view), values), kind="interactive")

    async def install(self, app_url: str, team: str, *, cancel: bool = False) -> tuple[int, str]:
        """Install the app in a workspace as its administrator does in a browser; return the last page."""
        if self._session is None:
            raise AssertionError("the fake is not started")
        async with self._session.get(f"{app_url}/slack/install", allow_redirects=False) as begun:
            cookies = {name: morsel.value for name, morsel in begun.cookies.items()}
            address = f"{begun.headers['Location']}&team={team}{'&cancel=1' if cancel else ''}"
        async with self._session.get(address, allow_redirects=False) as approved:
            back = urlsplit(approved.headers["Location"])
        async with self._session.get(f"{app_url}{back.path}?{back.query}", cookies=cookies) as page:
            return page.status, await page.text()

    async def uninstall(self, team: str) -> list[Delivery]:
        """Take the app out of a workspace: its tokens are worth nothing any more, and the app is told."""
        for token in [token for token, owner in self.oauth.tokens.items() if owner == team]:
            del self.oauth.tokens[token]
        told: list[dict[str, Any]] = [
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [BOT_USER]}},
            {"type": "app_uninstalled"},
        ]
        return [await self.deliver(payloads.event({**event, "team_id": team})) for event in told]

    async def deliver(
        self,
        payload: dict[str, Any],
        *,
        kind: Literal["events_api", "interactive", "slash_commands"] = "events_api",
        retry: tuple[int, str] | None = None,
        transport: Literal["socket", "http"] | None = None,
        again: bool = True,
    ) -> Delivery:
        """Hand a payload to the app and wait for its acknowledgement, as long as Slack would.

        :param again: whether an event that is not acknowledged comes once more at once, as from Slack, which goes on
            a minute and five minutes later.
        """
        delivery = Delivery(payloads.of_team(payload, self._team(payload)), kind)
        await self.redeliver(delivery, retry=retry, transport=transport)
        if again and kind == "events_api" and not delivery.acknowledged:
            await self.redeliver(delivery, transport=transport)
        return delivery

    async def redeliver(
        self,
        delivery: Delivery,
        *,
        retry: tuple[int, str] | None = (1, "http_timeout"),
        transport: Literal["socket", "http"] | None = None,
    ) -> Delivery:
        """Hand the same payload over again, marked as Slack marks it."""
        if delivery.attempts == 0 and "trigger_id" in delivery.payload:
            self.web_api.triggers.add(delivery.payload["trigger_id"])
        delivery.attempts += 1
        if (transport or ("http" if self.events_url else "socket")) == "socket":
            taken, delivery.seconds, delivery.body = await self.sockets.send(
                delivery.kind, delivery.payload, retry=retry
            )
            delivery.status = 200 if taken else 0
        else:
            body = self._body(delivery)
            headers = {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]} if retry else {}
            started = time.monotonic()
            delivery.status, delivery.body = await self.post_raw(
                body, {**self.signed_headers(body), **headers, **_type(delivery)}
            )
            delivery.seconds = time.monotonic() - started
        return delivery

    def signed_headers(self, body: bytes, *, age: float = 0.0, secret: str = SIGNING_SECRET) -> dict[str, str]:
        """Return the headers Slack would send with ``body``, ``age`` seconds ago."""
        stamp = str(int(time.time() - age))
        signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signature)}

    async def post_raw(self, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        """POST to the app's events address; return status and body, status 0 when no answer came in time."""
        if self._session is None:
            raise AssertionError("the fake is not started")
        timeout = aiohttp.ClientTimeout(total=WAIT_SECONDS)
        try:
            async with self._session.post(self.events_url, data=body, headers=headers, timeout=timeout) as response:
                text = await response.text()
                return response.status, json.loads(text) if text.startswith("{") else text
        except (TimeoutError, aiohttp.ClientError):
            return 0, None

    async def _say(
        self, event_kind: str, text: str, *, channel: str, user: str | None, again: bool = True, **parts: Any
    ) -> Delivery:
        ts = parts.pop("ts", None) or self.web_api.clock.ts()
        for file in parts.get("files") or ():
            self.files.share(file, channel)
        self.web_api.posts.append(Post(channel, ts, user or "", text, parts.get("thread_ts"), at=time.monotonic()))
        event = payloads.message(event_kind, text=text, channel=channel, user=user, ts=ts, **parts)
        return await self.deliver(payloads.event(event), again=again)

    def _team(self, payload: Mapping[str, Any]) -> str:
        """Return the workspace of what is delivered: that of its conversation or of its view."""
        inner = payload.get("event") or {}
        inner = {**inner, **inner.get("item", {})}
        channel = payload.get("channel_id") or (payload.get("channel") or {}).get("id") or inner.get("channel")
        return str((payload.get("view") or {}).get("team_id") or inner.get("team_id") or self.oauth.home(str(channel)))

    @staticmethod
    def _body(delivery: Delivery) -> bytes:
        if delivery.kind == "slash_commands":
            return urlencode(delivery.payload).encode()
        encoded = json.dumps(delivery.payload)
        return (encoded if delivery.kind == "events_api" else urlencode({"payload": encoded})).encode()


def labelled(blocks: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any] | None:
    """Return the first button of that label, or ``None``."""
    buttons = [block["accessory"] for block in blocks if "accessory" in block]
    buttons += [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    return next((each for each in buttons if each["text"]["text"] == label), None)


def _type(delivery: Delivery) -> dict[str, str]:
    kind = "application/json" if delivery.kind == "events_api" else "application/x-www-form-urlencoded"
    return {"Content-Type": kind}
