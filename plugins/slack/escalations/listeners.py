"""Bolt's listeners for escalations: like all of them, they commit an inbox row or open a modal, and acknowledge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from plugins.slack.escalations import events
from plugins.slack.escalations.blocks import ASK_ACTION, CLOSE_ACTION, STOP_ACTION, WRITE_ACTION
from plugins.slack.events import NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slack_bolt.async_app import AsyncAck, AsyncApp

    from bot.app import Mentee
    from bot.messages import InboxItem
    from plugins.slack.events import Heard
    from plugins.slack.surfaces.errands import Errands
    from plugins.slack.votes.correcting import Correcting

PRESSES = ((ASK_ACTION, events.ASK, "answer_id"), (CLOSE_ACTION, events.CLOSE, "escalation_id"))


class EscalationListeners:
    """Listens for what people do with escalations.

    :param accept: commits an inbox item.
    """

    def __init__(
        self,
        mentee: Mentee,
        accept: Callable[[InboxItem], Awaitable[bool]],
        errands: Errands,
        correcting: Correcting,
    ) -> None:
        self._mentee = mentee
        self._accept = accept
        self._errands = errands
        self._correcting = correcting

    def register(self, app: AsyncApp) -> None:
        """Add the listeners."""
        for action, kind, name in (*PRESSES, (STOP_ACTION, events.STOP_NEWS, "what")):
            app.action(action)(partial(self._press, kind=kind, name=name))
        app.action(WRITE_ACTION)(self._write)

    async def check(self, body: Mapping[str, Any]) -> None:
        """Take a check mark while any escalation is open; else it is none of our business."""
        item = events.check(body)
        if item is not None and await self._mentee.store.run(self._mentee.escalations.any_open):
            await self._accept(item)

    async def between_people(self, heard: Heard) -> bool:
        """Return whether a message belongs to people who talk about an escalation, and asks us nothing.

        That is one below a note, or in the thread of an open escalation, that does not mention us.
        """
        about = heard.item.payload
        mentions_us = heard.addressed and not about["direct"]
        if about["thread"] == about["ts"] or mentions_us:
            return False
        return await self._mentee.store.run(self._talked_about, about)

    def _talked_about(self, about: Mapping[str, Any]) -> bool:
        channel, thread, escalations = about["channel"], about["thread"], self._mentee.escalations
        if escalations.of_note(NAME, f"{channel}:{thread}") is not None:
            return True
        return not about["direct"] and escalations.of_thread(NAME, channel, thread) is not None

    async def _press(self, body: dict[str, Any], ack: AsyncAck, *, kind: str, name: str) -> None:
        item = events.press(body, kind, name)
        if item is not None:
            await self._accept(item)
        await ack()

    async def _write(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._errands.run("answer of a person", partial(self._correcting.of_escalation, body))
