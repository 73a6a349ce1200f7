"""What goes out: the sender of an outbox item is found by its kind (the table is in ``assembly/senders.py``).

Answers and notices go where their address says (:class:`AddressedSender`); everything else has a sender of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog

from plugins.slack.client.web_api import SlackRefusedError, call
from plugins.slack.copy import answers as answers_copy
from plugins.slack.copy import channels as copy
from plugins.slack.items import NOTHING_POSTED, NOTICE
from plugins.slack.outbound.addresses import better_unsaid, for_one_reader
from plugins.slack.outbound.blocks import render

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import OutboxItem
    from bot.feedback.actions import Actions
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.outbound.ephemeral import EphemeralSender
    from plugins.slack.outbound.status import StatusLines
    from plugins.slack.outbound.thread import ThreadSender

Sender = Callable[["OutboxItem"], Awaitable[str]]
"""Posts an item and returns a reference to it."""

log = structlog.get_logger(__name__)


class Router:
    """Finds the sender of an item by its kind.

    :param otherwise: sends items of a kind that is not in the table, such as another plugin's.
    """

    def __init__(self, senders: Mapping[str, Sender], *, otherwise: Sender) -> None:
        self._senders = senders
        self._otherwise = otherwise

    async def send(self, item: OutboxItem) -> str:
        """Post the item and return a reference to it.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused for good.
        """
        return await self._senders.get(item.kind, self._otherwise)(item)


@dataclass(frozen=True, slots=True)
class AddressedSender:
    """Posts items where their address says: to the person who typed a command, to one reader, or into the thread.

    :param client: gives the Web API client of the moment.
    """

    client: Callable[[], AsyncWebClient]
    status: StatusLines
    ephemeral: EphemeralSender
    thread: ThreadSender

    async def send(self, item: OutboxItem) -> str:
        """Post the item, unless it is better left unsaid."""
        address = item.address
        if "response_url" in address:
            return await self.ephemeral.send_response(item)
        self.status.end(address["channel"], address["thread_ts"])
        if better_unsaid(address, item.payload):
            await self._stay_quiet(item)
            return NOTHING_POSTED
        return await (self.ephemeral if for_one_reader(address) else self.thread).send(item)

    async def _stay_quiet(self, item: OutboxItem) -> None:
        if item.address.get("quiet") != "react" or item.payload.get("source") == "courtesy":
            return
        client, address = self.client(), item.address
        try:
            await call(
                client.reactions_add, "reactions.add", attempts=item.attempts, channel=address["channel"],
                timestamp=address["asked"], name=copy.QUIET_EMOJI,
            )  # fmt: skip
        except SlackRefusedError as error:
            log.info("slack_reaction_refused", problem=error.text)  # such as already_reacted, after a lost reply


@dataclass(frozen=True, slots=True)
class AnswerSender:
    """Posts answers, and then looks whether the asker could be answered better in private.

    :param look: returns whether the answer may be shown there now. Blocking.
    :param offer: offers a private answer. Blocking.
    """

    addressed: AddressedSender
    store: Store
    background: BackgroundTasks
    actions: Actions
    look: Callable[[OutboxItem], Literal["show", "withhold", "gone"]]
    offer: Callable[[OutboxItem], None]

    async def send(self, item: OutboxItem) -> str:
        """Post the answer, or a sentence in its place if who reads it there may not see it any more."""
        found = await self.store.run(self.look, item)
        if found == "gone":
            return NOTHING_POSTED
        if found == "show":
            shown = await self.store.run(with_actions, item, self.actions)
        else:
            shown = replace(item, kind=NOTICE, payload={"text": answers_copy.withheld()})
        reference = await self.addressed.send(shown)
        self.background.run("private answer", partial(self.store.run, self.offer, item))
        return reference


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSender:
    """Shows under an answer what came of one of its actions.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    outbox: Outbox
    actions: Actions
    look: Callable[[OutboxItem], Literal["show", "withhold", "gone"]]
    client: Callable[[], AsyncWebClient]
    ephemeral: EphemeralSender
    thread: ThreadSender

    async def send(self, item: OutboxItem) -> str:
        """Write the answer's message anew, if it may still be shown, or where only its asker sees it, tell them.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        address, text = item.address, item.payload["text"]
        answer = await self.store.run(self.outbox.get, item.payload["delivery"])
        if answer is None or not answer.reference:
            return NOTHING_POSTED  # an answer that is still to be posted shows its actions as they are then
        if "response_url" in address or for_one_reader(address):
            await self.ephemeral.tell(address, text, thread=address.get("shown_in"))
            return NOTHING_POSTED
        if await self.store.run(self.look, answer.item) != "show":
            return NOTHING_POSTED
        try:
            await self._update(await self.store.run(with_actions, answer.item, self.actions), answer.reference)
        except SlackRefusedError as error:
            log.info("slack_answer_not_updated", problem=error.text)  # such as one that was deleted
            return await self.thread.send(item)
        return answer.reference

    async def _update(self, answer: OutboxItem, reference: str) -> None:
        channel, _, ts = reference.rpartition(":")
        message, client = render(answer)[-1], self.client()
        await call(
            client.chat_update, "chat.update", attempts=answer.attempts, channel=channel, ts=ts,
            text=message.text, blocks=message.blocks, metadata=message.metadata,
        )  # fmt: skip


def with_actions(item: OutboxItem, actions: Actions) -> OutboxItem:
    """Return an answer's delivery with its actions as they are now. Blocking."""
    if not item.payload.get("actions") or item.answer_id is None:
        return item
    return replace(
        item, payload={**item.payload, "actions": [each.shown() for each in actions.of_answer(item.answer_id)]}
    )


@dataclass(frozen=True, slots=True)
class GreetingSender:
    """Posts greetings; Slack shows suggested prompts below a conversation's latest message, so they follow.

    :param suggest: shows a person prompts in a conversation and a thread of it.
    """

    addressed: AddressedSender
    background: BackgroundTasks
    suggest: Callable[[str, str, Any], Awaitable[None]]

    async def send(self, item: OutboxItem) -> str:
        """Post the greeting."""
        reference, address = await self.addressed.send(item), item.address
        suggest = partial(self.suggest, item.payload["user"], address["channel"], address["thread_ts"])
        self.background.run("suggested prompts", suggest)
        return reference
