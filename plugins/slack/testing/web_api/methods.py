"""The fake's Web API: the methods Mentee and its plugins call, answering as Slack does."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web

from plugins.slack.testing.faults import FaultPlan
from plugins.slack.testing.judge import message_problems, view_problems
from plugins.slack.testing.payloads import APP, TEAM
from plugins.slack.testing.web_api.files import FileMissingError, Files
from plugins.slack.testing.web_api.oauth import OAuth, OAuthRefusedError
from plugins.slack.testing.web_api.scopes import EVERY, needed
from plugins.slack.testing.web_api.streams import Streams
from plugins.slack.testing.web_api.surfaces import SurfaceRefusedError, Surfaces
from plugins.slack.testing.web_api.workspace import Workspace
from plugins.slack.testing.wire import Call, Changes, Clock, Post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plugins.slack.testing.faults import Fault

BOT_USER = "U0BOT"
BOT_ID = "B0BOT"
WITHOUT_TOKEN = ("api.test", "oauth.v2.access")
JSON_ARGUMENTS = ("blocks", "chunks", "metadata", "view")


class RefusedError(Exception):
    """A call that Slack answers with ``ok: false``."""

    def __init__(self, name: str, *problems: str, **more: str) -> None:
        super().__init__(name)
        said = {"response_metadata": {"messages": list(problems)}} if problems else {}
        self.answer = {"ok": False, "error": name, **said, **more}


class WebApi:
    """State and methods of the Web API.

    ``granted`` holds the bot token's scopes and ``app`` its app; ``ahead`` is by how many seconds Slack's clock is off.
    ``triggers`` are those that people's acts gave and no view has used: Slack takes each once.

    :param socket_url: where ``apps.connections.open`` sends the app.
    :param base: the fake's own address.
    """

    def __init__(self, changes: Changes, socket_url: Callable[[], str], base: Callable[[], str]) -> None:
        self.calls: list[Call] = []
        self.posts: list[Post] = []
        self.views: list[dict[str, Any]] = []
        self.ephemerals: list[dict[str, Any]] = []
        self.people: dict[str, dict[str, Any]] = {}
        self.plan = FaultPlan()
        self.clock = Clock()
        self.tokens = {"xoxb-fake": TEAM, "xapp-fake": TEAM}
        self.oauth = OAuth(self.tokens)
        self._team = TEAM
        self.granted = set(EVERY)
        self.ahead = 0.0
        self.triggers: set[str] = set()
        self._exchanged: set[str] = set()
        self.app = APP
        self._changes = changes
        self._socket_url = socket_url
        self.surfaces = Surfaces()
        self.streams = Streams(self.posts, self.find, self.clock, BOT_USER, BOT_ID)
        self.workspace = Workspace(self.posts, self.find)
        self.files = Files(lambda token: token in self.tokens and "files:read" in self.granted, base)
        self._methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "api.test": self._nothing,
            "auth.test": self._auth_test,
            "bots.info": self._bots_info,
            "apps.connections.open": self._connections_open,
            "chat.postMessage": self._post_message,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.info": self.files.info,
            "users.info": self._users_info,
            "views.open": self._views_open,
            "reactions.remove": self._nothing,
            **self.surfaces.methods,
            **self.streams.methods,
            **self.workspace.methods,
            **self.oauth.methods,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        method = request.match_info["method"]
        arguments = await _arguments(request)
        said = request.headers.get("Authorization", "")
        token = said.removeprefix("Bearer ")
        if said.startswith("Basic "):
            client_id, _, client_secret = b64decode(said.removeprefix("Basic ")).decode().partition(":")
            arguments |= {"client_id": client_id, "client_secret": client_secret}
        fault = self.plan.take(method, arguments)
        if fault is not None:
            return await self._fail(request, method, arguments, fault)
        answer = self._answer(method, arguments, token)
        headers = {"Date": formatdate(time.time() + self.ahead, usegmt=True)}
        if token.startswith("xoxb-"):
            headers["X-OAuth-Scopes"] = ",".join(sorted(self.granted))
        return web.json_response(answer, headers=headers)

    async def hand_over(self, request: web.Request) -> web.StreamResponse:
        """Hand over a file that people shared; noted as a call of ``files.download``."""
        arguments = {"file": request.match_info["file"]}
        fault = self.plan.take("files.download", arguments)
        if fault is not None:
            return await self._fail(request, "files.download", arguments, fault)
        response, refusal = self.files.hand_over(request)
        self._note("files.download", arguments, refusal)
        return response

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Take a post to a command's response URL: in the reply ``ok``, or an error's name."""
        arguments = await _arguments(request)
        fault = self.plan.take("response_url", arguments)
        if fault is not None:
            return await self._fail(request, "response_url", arguments, fault)
        try:
            shown = self.surfaces.respond(request.match_info["number"], arguments)
            (self.ephemerals.remove if arguments.get("delete_original") else self.ephemerals.append)(shown)
        except SurfaceRefusedError as refused:
            self._note("response_url", arguments, refused.name)
            return web.json_response({"ok": False, "error": refused.name}, status=404)
        self._note("response_url", arguments, "")
        return web.Response(text="ok")

    def _answer(self, method: str, arguments: dict[str, Any], token: str) -> dict[str, Any]:
        answer: dict[str, Any]
        try:
            self._permit(method, arguments, token)
            self._team, self.oauth.token = self.tokens.get(token, TEAM), token
            answer = {"ok": True, **self._methods[method](arguments)}
        except RefusedError as refused:
            answer = refused.answer
        except SurfaceRefusedError as refused:
            answer = RefusedError(refused.name, *refused.problems).answer
        except OAuthRefusedError as refused:
            answer = RefusedError(str(refused)).answer
        except FileMissingError:
            answer = RefusedError("file_not_found").answer
        except KeyError:
            answer = {"ok": False, "error": "unknown_method" if method not in self._methods else "invalid_arguments"}
        self._note(method, arguments, str(answer.get("error", "")))
        return answer

    def _permit(self, method: str, arguments: dict[str, Any], token: str) -> None:
        if token not in self.tokens and method not in WITHOUT_TOKEN:
            raise RefusedError("invalid_auth" if token else "not_authed")
        if "channel" in arguments and self.tokens.get(token) != self.oauth.home(arguments["channel"]):
            raise RefusedError("channel_not_found")
        scope = needed(method, arguments)
        if scope and scope not in self.granted:
            raise RefusedError("missing_scope", needed=scope, provided=",".join(sorted(self.granted)))

    def _note(self, method: str, arguments: Mapping[str, Any], answer: str) -> None:
        self.calls.append(Call(method, arguments, time.monotonic(), answer))
        self._changes.notify()

    async def _fail(
        self, request: web.Request, method: str, arguments: dict[str, Any], fault: Fault
    ) -> web.StreamResponse:
        if fault.stored:
            self._methods[method](arguments)
        self._note(method, arguments, fault.kind)
        if fault.kind == "rate_limited":
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers={"Retry-After": str(fault.value)})
        if fault.kind == "error":
            return web.json_response({"ok": False, "error": fault.value})
        if fault.kind == "hang":
            await asyncio.sleep(float(fault.value))
        if fault.kind == "http_error":
            return web.Response(status=int(fault.value), text="upstream error")
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _auth_test(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        who = {"user": "mentee", "user_id": BOT_USER, "bot_id": BOT_ID}
        return {"url": "https://fake.slack.com/", "team": "Fake", "team_id": self._team, **who}

    def _bots_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"bot": {"id": arguments["bot"], "name": "mentee", "app_id": self.app, "user_id": BOT_USER}}

    def _connections_open(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {"url": self._socket_url()}

    def _post_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post = self._judged(arguments)
        self.posts.append(post)
        return {"channel": post.channel, "ts": post.ts, "message": post.shape(with_metadata=True)}

    def _judged(self, arguments: dict[str, Any]) -> Post:
        text, blocks = arguments.get("text", ""), arguments.get("blocks") or []
        problems = message_problems(text, blocks)
        if problems:
            raise RefusedError(problems[0].partition(":")[0], *problems)
        return Post(
            channel=arguments["channel"],
            ts=self.clock.ts(),
            user=BOT_USER,
            text=text,
            thread_ts=arguments.get("thread_ts"),
            blocks=blocks,
            metadata=arguments.get("metadata"),
            bot_id=BOT_ID,
            arguments=arguments,
            at=time.monotonic(),
        )

    def _post_ephemeral(self, arguments: dict[str, Any]) -> dict[str, Any]:
        judged = self._judged(arguments)
        thread = judged.thread_ts
        if not thread or any((post.channel, post.thread_ts) == (judged.channel, thread) for post in self.posts):
            self.ephemerals.append(arguments)  # Slack says ok as well where a thread has no replies, and shows nothing
        return {"message_ts": self.clock.ts()}

    def find(self, channel: str, ts: str) -> Post:
        """Return a message, or refuse as Slack does."""
        for post in self.posts:
            if (post.channel, post.ts) == (channel, ts):
                return post
        raise RefusedError("message_not_found")

    def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        posts = [post for post in self.posts if post.channel == arguments["channel"] and not post.thread_ts]
        return _page(list(reversed(_within(posts, arguments))), arguments)

    def _replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        root = arguments["ts"]
        posts = [
            post for post in self.posts if post.channel == arguments["channel"] and root in (post.ts, post.thread_ts)
        ]
        if not posts:
            raise RefusedError("thread_not_found")
        return _page(_within(posts, arguments), arguments)

    def _users_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = arguments["user"]
        profile = {"real_name": f"Person {user}", "display_name": user.lower(), **self.people.get(user, {})}
        team = profile.pop("team_id", TEAM)
        return {
            "user": {
                "id": user,
                "team_id": team,
                "is_bot": False,
                "real_name": profile["real_name"],
                "profile": profile,
            }
        }

    def _views_open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        trigger = str(arguments["trigger_id"])
        if trigger not in self.triggers:
            raise RefusedError("exchanged_trigger_id" if trigger in self._exchanged else "invalid_trigger_id")
        problems = view_problems(arguments["view"])
        if problems:
            raise RefusedError("invalid_arguments", *problems)
        self.triggers.remove(trigger)
        self._exchanged.add(trigger)
        view = {"id": f"V{len(self.views) + 1:04d}", "hash": "h1", "team_id": self._team, **arguments["view"]}
        self.views.append(view)
        return {"view": view}

    def _nothing(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {}


async def _arguments(request: web.Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        body = await request.text()  # the SDK's synchronous client calls some forms JSON, as Slack allows
        arguments |= json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
    elif request.can_read_body:
        arguments |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    for name in JSON_ARGUMENTS:
        if isinstance(arguments.get(name), str):
            arguments[name] = json.loads(arguments[name])
    return arguments


def _within(posts: list[Post], arguments: Mapping[str, Any]) -> list[Post]:
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    inclusive = str(arguments.get("inclusive", "")).lower() in ("1", "true")
    return [
        post for post in posts if oldest < float(post.ts) < latest or (inclusive and float(post.ts) in (oldest, latest))
    ]


def _page(posts: list[Post], arguments: Mapping[str, Any]) -> dict[str, Any]:
    start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
    metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
    following = str(start + limit) if start + limit < len(posts) else ""
    return {
        "messages": [post.shape(with_metadata=metadata) for post in posts[start : start + limit]],
        "has_more": bool(following),
        "response_metadata": {"next_cursor": following},
    }
