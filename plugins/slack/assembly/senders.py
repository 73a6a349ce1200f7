"""The table from kind of outbox item to its sender."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.feedback.action_rows import ACTION
from bot.feedback.escalations import WITHDRAWAL
from bot.feedback.notifications import NOTIFICATION
from plugins.slack import items
from plugins.slack.handlers.private_answers import PrivateOffers
from plugins.slack.outbound.notifications import ESCALATION_KINDS, EscalationSender, NotificationSender
from plugins.slack.outbound.router import AddressedSender, AnswerSender, GreetingSender, OutcomeSender, Router, Sender
from plugins.slack.outbound.thread import ThreadSender
from plugins.slack.overview.deliveries import DeliveryRights

if TYPE_CHECKING:
    from plugins.slack.assembly.shared import SharedParts
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.outbound.streaming import Streaming
    from plugins.slack.views.assistant import Assistant


class SenderTable:
    """Makes the senders of one channel.

    :param background: runs small calls beside them.
    """

    def __init__(
        self, shared: SharedParts, streaming: Streaming, assistant: Assistant, background: BackgroundTasks
    ) -> None:
        self._shared = shared
        self._streaming = streaming
        self._assistant = assistant
        self._background = background

    def router(self) -> Router:
        """Return the senders by kind of outbox item; notices and texts of other plugins go where they are addressed."""
        thread = ThreadSender(self._shared.client, self._shared.messages, self._streaming, self._shared.limits)
        addressed = AddressedSender(self._shared.client, self._shared.status, self._shared.ephemeral, thread)
        instance, store = self._shared.instance, self._shared.store
        look, offer = self._delivery_rights().look, self._private_offers().offer
        answers = AnswerSender(addressed, store, self._background, instance.actions, look, offer)
        outcomes = OutcomeSender(
            store=store,
            outbox=instance.outbox,
            actions=instance.actions,
            look=look,
            client=self._shared.client,
            ephemeral=self._shared.ephemeral,
            thread=thread,
        )
        escalations = self._escalation_sender(thread)
        senders: dict[str, Sender] = {
            items.ANSWER: answers.send,
            ACTION: outcomes.send,
            items.GREETING: GreetingSender(addressed, self._background, self._assistant.suggest).send,
            NOTIFICATION: self._notification_sender(thread).send,
            **dict.fromkeys(ESCALATION_KINDS, escalations.send),
            WITHDRAWAL: escalations.withdraw,
        }
        return Router(senders, otherwise=addressed.send)

    def _delivery_rights(self) -> DeliveryRights:
        instance = self._shared.instance
        return DeliveryRights(
            inbox=instance.inbox,
            history=instance.history,
            departments=instance.departments,
            channels=self._shared.channels,
            rights=instance.rights,
        )

    def _private_offers(self) -> PrivateOffers:
        instance = self._shared.instance
        return PrivateOffers(
            inbox=instance.inbox,
            outbox=instance.outbox,
            history=instance.history,
            departments=instance.departments,
            channels=self._shared.channels,
            catalog=self._shared.catalog,
            retriever=lambda: instance.retriever,
        )

    def _escalation_sender(self, thread: ThreadSender) -> EscalationSender:
        instance = self._shared.instance
        return EscalationSender(
            store=self._shared.store,
            outbox=instance.outbox,
            escalations=instance.escalations,
            departments=instance.departments,
            places=instance.places,
            askable=self._shared.askable,
            client=self._shared.client,
            thread=thread,
        )

    def _notification_sender(self, thread: ThreadSender) -> NotificationSender:
        instance = self._shared.instance
        return NotificationSender(
            store=self._shared.store,
            history=instance.history,
            votes=instance.votes,
            reviews=instance.reviews,
            plugins=instance.plugins,
            departments=instance.departments,
            askable=self._shared.askable,
            client=self._shared.client,
            thread=thread,
        )
