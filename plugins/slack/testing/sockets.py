"""The fake's Socket Mode server: ``hello``, envelopes, acknowledgements, ``disconnect``, muted pongs."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from plugins.slack.testing.wire import Changes

ACK_SECONDS = 3.0
"""What Slack waits for an acknowledgement before it counts the delivery as failed."""


class Sockets:
    """The open sockets of the app and the envelopes sent over them. ``refusal`` is why none is opened, if it is set."""

    def __init__(self, changes: Changes) -> None:
        self.open: list[web.WebSocketResponse] = []
        self.accepted = 0
        self.answer_pings = True
        self.refusal = ""
        self.acknowledged_at: dict[str, float] = {}
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._changes = changes

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it closes."""
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if self.refusal:
            await socket.send_json({"type": "disconnect", "reason": self.refusal})
            return socket
        await socket.send_json(
            {"type": "hello", "num_connections": len(self.open) + 1, "connection_info": {"app_id": "A0FAKE"}}
        )
        self.open.append(socket)
        self.accepted += 1
        self._changes.notify()
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
                elif message.type == WSMsgType.PING and self.answer_pings:
                    await socket.pong(message.data)
        finally:
            self.open.remove(socket)
            self._changes.notify()
        return socket

    async def send(
        self, kind: str, payload: dict[str, Any], *, retry: tuple[int, str] | None = None
    ) -> tuple[bool, float, Any]:
        """Send an envelope over the newest socket; return whether it was acknowledged, after how long, with what."""
        envelope_id = f"envelope-{next(self._numbers)}"
        envelope = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if retry:
            envelope |= {"retry_attempt": retry[0], "retry_reason": retry[1]}
        answer = self._answers[envelope_id] = asyncio.get_running_loop().create_future()
        await self._changes.wait_until(lambda: self.open)
        sent = time.monotonic()
        try:
            await self.open[-1].send_json(envelope)
            response = await asyncio.wait_for(answer, ACK_SECONDS)
        except (TimeoutError, ConnectionResetError):  # the latter: the socket was closing
            return False, time.monotonic() - sent, None
        return True, self.acknowledged_at[envelope_id] - sent, response

    async def disconnect(self, reason: Literal["warning", "refresh_requested", "too_many_websockets"]) -> None:
        """Tell every socket to go; Slack closes them itself a little later."""
        for socket in list(self.open):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "fake"}})

    async def cut(self) -> None:
        """Close every socket without a word."""
        for socket in list(self.open):
            await socket.close()

    def _acknowledged(self, message: dict[str, Any]) -> None:
        envelope_id = message.get("envelope_id", "")
        answer = self._answers.get(envelope_id)
        if answer is not None and not answer.done():
            self.acknowledged_at[envelope_id] = time.monotonic()
            answer.set_result(message.get("payload"))
            self._changes.notify()
