"""The short answers that middleware gives by itself, before any application is reached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Send


async def refuse(send: Send, status: int, text: str, hint: str = "") -> None:
    """Send a whole JSON response of the same shape as a :class:`bot.errors.MenteeError` and close the connection."""
    body = json.dumps({"error": {"text": text, "hint": hint}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
