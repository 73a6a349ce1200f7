"""Bolt's listeners for escalations, notifications and actions: they commit an inbox item or open a modal, and ack."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from plugins.slack.inbound import events, interactions
from plugins.slack.items import (
    ASK_ELSEWHERE,
    ASK_PERSON,
    CLOSE_ESCALATION,
    CONFIRM_ACTION,
    NAME,
    STOP_NOTIFICATIONS,
)
from plugins.slack.outbound.blocks import (
    ASK_ACTION,
    CLOSE_ACTION,
    CONFIRM_ACTIONS,
    ELSEWHERE_ACTIONS,
    STOP_ACTION,
    WRITE_ACTION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slack_bolt.async_app import AsyncAck, AsyncApp

    from bot.feedback.escalations import Escalations
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.inbound.acceptor import Acceptor
    from plugins.slack.inbound.events import IncomingMessage
    from plugins.slack.views.corrections import CorrectionModals

BUTTONS = (
    (ASK_ACTION, ASK_PERSON, "answer_id"),
    (CLOSE_ACTION, CLOSE_ESCALATION, "escalation_id"),
    (STOP_ACTION, STOP_NOTIFICATIONS, "what"),
    (CONFIRM_ACTIONS, CONFIRM_ACTION, "action_id"),
    (ELSEWHERE_ACTIONS, ASK_ELSEWHERE, "about"),
)
"""Action, kind of the inbox item, and the name of the button's value in it."""


class EscalationListeners:
    """Listens for what people do with escalations, notifications and actions."""

    def __init__(
        self,
        store: Store,
        escalations: Escalations,
        acceptor: Acceptor,
        background: BackgroundTasks,
        corrections: CorrectionModals,
    ) -> None:
        self._store = store
        self._escalations = escalations
        self._acceptor = acceptor
        self._background = background
        self._corrections = corrections

    def register(self, app: AsyncApp) -> None:
        """Add the listeners."""
        for action, kind, name in BUTTONS:
            app.action(action)(partial(self._press, kind=kind, name=name))
        app.action(WRITE_ACTION)(self._write)

    async def check(self, body: Mapping[str, Any]) -> None:
        """Accept a check mark if any escalation is open or has just ended; ignore it otherwise."""
        item = events.check_mark(body)
        if item is not None and await self._store.run(self._escalations.any_current):
            await self._acceptor.accept(item)

    async def between_people(self, message: IncomingMessage) -> bool:
        """Return whether a message belongs to people who talk about an escalation, and asks us nothing.

        That is one below a note, or in the thread of an open escalation, that does not mention us.
        """
        about = message.item.payload
        mentions_us = message.addressed and not about["direct"]
        if about["thread"] == about["ts"] or mentions_us:
            return False
        return await self._store.run(self._talked_about, about)

    def _talked_about(self, about: Mapping[str, Any]) -> bool:
        channel, thread = about["channel"], about["thread"]
        if self._escalations.of_note(NAME, f"{channel}:{thread}") is not None:
            return True
        return not about["direct"] and self._escalations.of_thread(NAME, channel, thread) is not None

    async def _press(self, body: dict[str, Any], ack: AsyncAck, *, kind: str, name: str) -> None:
        item = interactions.pressed(body, kind, name)
        if item is not None:
            await self._acceptor.accept(item)
        await ack()

    async def _write(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._background.run("answer of a person", partial(self._corrections.of_escalation, body))
