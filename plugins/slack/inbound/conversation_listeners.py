"""Bolt's listeners for conversations: messages, reactions, App Home, commands, and buttons that one person sees."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from plugins.slack.client.response_urls import dismiss
from plugins.slack.inbound import events, interactions, message_changes
from plugins.slack.outbound.blocks import ANSWER_PRIVATELY_ACTION, DISCARD_ACTION, SHARE_ACTION
from plugins.slack.views import channel_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slack_bolt.async_app import AsyncAck, AsyncApp

    from bot.domain.deliveries import InboxItem
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.inbound.acceptor import Acceptor
    from plugins.slack.inbound.escalation_listeners import EscalationListeners
    from plugins.slack.inbound.triggers import Triggers
    from plugins.slack.views.slash import SlashCommand

ANY_NAME = re.compile(".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationListeners:
    """Listens for what people write and open.

    :param publish_home: draws App Home for a person.
    :param suggest: shows a person prompts in a conversation.
    """

    acceptor: Acceptor
    background: BackgroundTasks
    triggers: Triggers
    escalations: EscalationListeners
    slash: SlashCommand
    publish_home: Callable[[str], Awaitable[None]]
    suggest: Callable[[str, str], Awaitable[None]]

    def register(self, app: AsyncApp) -> None:
        """Add the listeners."""
        app.event("app_mention")(self._message)
        app.event("message")(self._message)
        app.event("reaction_added")(self._reaction)
        app.event("reaction_removed")(self._reaction)
        app.event("app_home_opened")(self._opened)
        app.event("assistant_thread_started")(self._thread_started)
        app.action(SHARE_ACTION)(self._private_button)
        app.action(ANSWER_PRIVATELY_ACTION)(self._private_button)
        app.action(DISCARD_ACTION)(self._discard)
        app.view(channel_settings.CALLBACK)(self._channel_settings)
        app.command(ANY_NAME)(self._command)  # by whatever name the workspace gave it

    async def _message(self, body: dict[str, Any]) -> None:
        deleted, edited = message_changes.deletion(body), message_changes.edit(body)
        if deleted is not None:
            if await asyncio.to_thread(self.triggers.knows, deleted.payload["key"]):
                await self.acceptor.accept(deleted)
            return
        message = edited or events.message(body)
        if message is None or await self.escalations.between_people(message):
            return
        plain = message.addressed and edited is None  # needs no look into the database
        await self._accept(message.item if plain else await asyncio.to_thread(self.triggers.taken, message))

    async def _reaction(self, body: dict[str, Any]) -> None:
        await self._accept(events.reaction(body))
        await self.escalations.check(body)

    async def _opened(self, body: dict[str, Any]) -> None:
        opened = events.opened(body)
        if opened is None:
            return
        if opened.tab == "home":
            self.background.run("App Home", partial(self.publish_home, opened.user))
        elif not await self._accept(opened.greeting):  # the first time, the prompts follow the greeting
            self.background.run("suggested prompts", partial(self.suggest, opened.user, opened.channel))

    async def _thread_started(self, body: dict[str, Any]) -> None:
        await self._accept(events.thread_started(body))

    async def _private_button(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await self._accept(interactions.private_button(body))
        await ack()

    async def _discard(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self.background.run("discard", partial(dismiss, body.get("response_url", "")))

    async def _channel_settings(self, body: dict[str, Any], ack: AsyncAck) -> None:
        channel, values = channel_settings.entered(body["view"])
        problems = channel_settings.problems(values)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        await self._accept(interactions.channel_settings(body, channel, values))
        await ack()

    async def _command(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack(await self.slash.answer(body, self._ask))

    async def _ask(self, body: Any, text: str, department: str | None) -> None:
        await self._accept(interactions.command_question(body, text, department))

    async def _accept(self, item: InboxItem | None) -> bool:
        return item is not None and await self.acceptor.accept(item)
