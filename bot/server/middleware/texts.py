r"""Refuses text that no database, model or page can hold: NUL, and halves of surrogate pairs.

JSON can spell both (``"\u0000"``, ``"\ud800"``), and Python takes them. A question with one would fail only when it
is stored or answered, after it was accepted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers

from bot.domain.questions import is_text
from bot.server.middleware.replies import refuse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORM = "application/x-www-form-urlencoded"


class TextRefusal:
    """Answers 400 to a path, a query, a form or JSON that contains such text.

    :param raw: paths whose bodies are not looked at, because their application checks and cleans them.
    """

    def __init__(self, app: ASGIApp, *, raw: Collection[str] = ()) -> None:
        self.app = app
        self.raw = raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if not _is_encoded_text(scope.get("raw_path") or b"") or not _is_encoded_text(scope["query_string"]):
            await _refuse(scope, receive, send)
            return
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if scope["type"] == "http" and scope["path"] not in self.raw and (kind == FORM or "json" in kind):
            message = await _whole(receive)
            body = message.get("body", b"")
            if not (_is_encoded_text(body) if kind == FORM else _is_json_text(body)):
                await _refuse(scope, receive, send)
                return
            receive = _again(message, receive)
        await self.app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    text = "The request contains a character that is no text."
    await refuse(scope, receive, send, 400, text, hint="Remove NUL characters and halves of surrogate pairs.")


async def _whole(receive: Receive) -> Message:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _again(message: Message, receive: Receive) -> Receive:
    kept = [message]

    async def first_that() -> Message:
        return kept.pop() if kept else await receive()

    return first_that


def _is_encoded_text(encoded: bytes) -> bool:
    raw = unquote_to_bytes(encoded)
    try:
        return is_text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _is_json_text(body: bytes) -> bool:
    """Return whether all texts in a body can be used; what is no JSON is for the application to refuse."""
    if body.isascii() and b"\\u" not in body and b"\0" not in body:
        return True
    try:
        left = [json.loads(body)]
    except RecursionError:
        return False
    except ValueError:
        return True
    while left:
        value = left.pop()
        if isinstance(value, str) and not is_text(value):
            return False
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
    return True
