"""The wall before Bolt for the transport ``http``: size, form and signature are checked before anything is parsed.

Bolt alone answers 500 to a timestamp that is no number, a signature that is not ASCII, a body that is not UTF-8 and to
broken JSON, and reads bodies of any size.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import structlog
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

from bot.domain.errors import MenteeError
from plugins.slack.client.web_api import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from plugins.slack.inbound.intake import Intake
    from plugins.slack.settings import SlackSettings

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
COMMAND_FIELDS = ("command", "user_id", "channel_id", "trigger_id", "response_url")
"""Fields of a slash command that we rely on."""
WINDOW_SECONDS = 300
STAMP_DIGITS = 12

log = structlog.get_logger(__name__)


class RefusedError(MenteeError):
    """A request that does not come from Slack, or not in a form that Slack sends."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.code = status


class SlackRequests:
    """An ASGI application for Slack's events and interactions."""

    def __init__(self, slack: SlackSettings, intake: Intake) -> None:
        self._slack = slack
        self._intake = intake
        self._most = slack.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            headers = _headers(scope)
            body = await self._body(headers, receive)
            self._verify(headers, body)
            text = _checked(headers, body)
        except RefusedError as refused:
            log.info("slack_request_refused", status=refused.code, problem=refused.text)
            await send_response(send, refused.code, json.dumps({"error": refused.text}), {"content-type": [JSON]})
            return
        response = await self._intake.dispatch(AsyncBoltRequest(body=text, headers=dict(headers.items())))
        await send_response(send, response.status, response.body, response.headers)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read the body, at most as much as is allowed."""
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._most:
            raise RefusedError(413, "too large")
        chunks: list[bytes] = []
        more, size = True, 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "cut off")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._most:
                raise RefusedError(413, "too large")
            more = message.get("more_body", False)
        return b"".join(chunks)

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        stamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not (stamp and signature):
            raise RefusedError(401, "not signed")
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= STAMP_DIGITS):
            raise RefusedError(400, "no usable timestamp")
        if abs(time.time() - int(stamp)) > WINDOW_SECONDS:
            raise RefusedError(401, "too old or too new")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise RefusedError(400, "not UTF-8") from None
        verifier = SignatureVerifier(tokens(self._slack).signing_secret)
        if not signature.isascii() or not verifier.is_valid(text, stamp, signature):
            raise RefusedError(401, "not signed by Slack")


def _headers(scope: Scope) -> dict[str, str]:
    if scope["method"] != "POST":
        raise RefusedError(405, "only POST")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if _media_type(headers) not in (JSON, FORM):
        raise RefusedError(415, f"neither {JSON} nor {FORM}")
    return headers


def _checked(headers: Mapping[str, str], body: bytes) -> str:
    """Return the body as text once it is sure that Bolt can parse it."""
    text = body.decode()
    try:
        if _media_type(headers) == JSON:
            _require_object(json.loads(text))
        else:
            fields = dict(parse_qsl(text, keep_blank_values=True))
            if "command" in fields and "payload" not in fields:
                # As JSON: Bolt would read a form with the word "payload" anywhere in it as an interaction's.
                return json.dumps({name: fields[name] for name in (*COMMAND_FIELDS, *fields)})
            if "ssl_check" not in fields:
                _require_object(json.loads(fields["payload"]))
    except (ValueError, KeyError, RecursionError):
        raise RefusedError(400, "not a payload of Slack's") from None
    return text


def _require_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise RefusedError(400, "not a payload of Slack's")


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def send_response(send: Send, status: int, body: str, headers: Mapping[str, Any]) -> None:
    """Answer a request; each header has a list of values, as Bolt gives them."""
    pairs = [(name.encode(), str(value).encode()) for name, values in headers.items() for value in values]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": (body or "").encode()})
