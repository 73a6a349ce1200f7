"""The short responses that middleware sends itself."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LINGER_SECONDS = 1.0
LINGER_BYTES = 1_000_000
POLICY_VIOLATION = 1008


async def refuse(  # noqa: PLR0913 - what ASGI passes, and what is said
    scope: Scope, receive: Receive, send: Send, status: int, text: str, *, hint: str = "", retry_after: int = 0
) -> None:
    """Send a whole JSON response of the same shape as a ``MenteeError`` and close the connection.

    A WebSocket is closed before it is accepted, which the client sees as 403.

    What the client is still sending is read for a moment and thrown away: a connection that is closed under an unread
    body is reset, and the client would see that instead of the response.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    body = json.dumps({"error": {"text": text, "hint": hint}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"retry-after", str(retry_after).encode())] if retry_after else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        await asyncio.wait_for(_discard(receive), LINGER_SECONDS)
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
