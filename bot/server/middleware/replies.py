"""The short responses that middleware sends itself."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from bot.server.pages.layout import DEMO_BANNER, FOLDER, page_templates, wants_page
from bot.server.problems.kinds import MEDIA_TYPE, Kind, problem

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LINGER_SECONDS = 1.0
LINGER_BYTES = 1_000_000
POLICY_VIOLATION = 1008
PAGE = page_templates(FOLDER / "templates").get_template("error.html")


async def refuse(  # noqa: PLR0913 - what ASGI passes, and what is said
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    text: str,
    *,
    hint: str = "",
    home: str = "/",
    retry_after: int = 0,
    kind: Kind | None = None,
) -> None:
    """Send a whole response and close the connection: a page to a browser that navigates, problem details otherwise.

    A WebSocket is closed before it is accepted, which the client sees as 403.

    What the client is still sending is read for a moment and thrown away: a connection that is closed under an unread
    body is reset, and the client would see that instead of the response.

    :param home: where the page's link leads.
    :param kind: the type of the problem, if it isn't the one of the status.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    told = problem(status, text, hint=hint, kind=kind)
    media_type, body = _drawn(scope, told, home)
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"vary", b"Accept"),
        (b"connection", b"close"),
        *([(b"retry-after", str(retry_after).encode())] if retry_after else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        await asyncio.wait_for(_discard(receive), LINGER_SECONDS)
    await send({"type": "http.response.body", "body": b""})


def _drawn(scope: Scope, told: dict[str, Any], home: str) -> tuple[bytes, bytes]:
    """Return the media type and the body that whoever sent the request wants."""
    if not wants_page(Headers(scope=scope)):
        return MEDIA_TYPE.encode(), json.dumps(told).encode()
    banner = DEMO_BANNER if scope.get("state", {}).get("demo") else ""
    error = {"text": told["detail"], "hint": told.get("hint", "")}
    return b"text/html; charset=utf-8", PAGE.render(error=error, home=home, demo_banner=banner).encode()


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
