"""The short answers that middleware gives by itself, before any application is reached."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Send

LINGER_SECONDS = 1.0
LINGER_BYTES = 1_000_000


async def refuse(receive: Receive, send: Send, status: int, text: str, hint: str = "") -> None:
    """Send a whole JSON response of the same shape as a :class:`bot.errors.MenteeError` and close the connection.

    What the client is still sending is read for a moment and thrown away: a connection that is closed under an unread
    body is reset, and the client would see that instead of the response.
    """
    body = json.dumps({"error": {"text": text, "hint": hint}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
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
