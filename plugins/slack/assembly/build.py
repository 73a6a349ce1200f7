"""What the hooks of ``plugins/slack/__init__.py`` bring: the channel and its web applications, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.assembly.handlers import HandlerTable
from plugins.slack.assembly.senders import SenderTable
from plugins.slack.assembly.shared import SharedParts
from plugins.slack.channel import ChannelParts, SlackChannel
from plugins.slack.client.background_tasks import BackgroundTasks
from plugins.slack.inbound.acceptor import Acceptor
from plugins.slack.inbound.conversation_listeners import ConversationListeners
from plugins.slack.inbound.escalation_listeners import EscalationListeners
from plugins.slack.inbound.feedback_listeners import FeedbackListeners
from plugins.slack.inbound.http import SlackRequests
from plugins.slack.inbound.intake import Intake, IntakeParts
from plugins.slack.inbound.triggers import Triggers
from plugins.slack.outbound.streaming import ShowingParts, Streaming
from plugins.slack.setup.oauth import Installer
from plugins.slack.views.corrections import CorrectionModals
from plugins.slack.views.slash import SlashCommand
from plugins.slack.workspaces.installations import States

if TYPE_CHECKING:
    from bot.hooks.instance import Instance


class Assembly:
    """Makes them for one instance."""

    def __init__(self, instance: Instance) -> None:
        self._shared = SharedParts(instance)

    def channel(self) -> SlackChannel:
        """Return the channel."""
        background = BackgroundTasks()
        assistant = self._shared.assistant(background)
        streaming = self._streaming()
        return SlackChannel(
            ChannelParts(
                settings=self._shared.instance.settings,
                slack=self._shared.slack,
                store=self._shared.store,
                workspaces=self._shared.workspaces,
                handlers=HandlerTable(self._shared, background).by_kind(),
                router=SenderTable(self._shared, streaming, assistant, background).router(),
                streaming=streaming,
                assistant=assistant,
                background=background,
                open_intake=self.intake,
            )
        )

    def requests(self) -> SlackRequests:
        """Return the application that answers Slack's signed requests."""
        return SlackRequests(self._shared.slack, self.intake())

    def intake(self) -> Intake:
        """Return what takes deliveries of either transport; whoever asks for it closes it."""
        instance, background = self._shared.instance, BackgroundTasks()
        acceptor = Acceptor(instance.inbox, instance.outbox, instance.settings.limits.queue)
        corrections = CorrectionModals(
            store=self._shared.store,
            departments=instance.departments,
            escalations=instance.escalations,
            reviews=self._shared.reviews,
            answers=self._shared.answers,
            client=self._shared.client,
        )
        escalations = EscalationListeners(self._shared.store, instance.escalations, acceptor, background, corrections)
        conversations = ConversationListeners(
            acceptor=acceptor,
            background=background,
            triggers=Triggers(self._shared.store, self._shared.channels, self._shared.threads),
            escalations=escalations,
            slash=self._slash(background),
            publish_home=self._shared.home.publish,
            suggest=self._shared.assistant(background).suggest,
        )
        feedback = FeedbackListeners(acceptor, background, corrections, self._shared.client)
        return Intake(
            IntakeParts(
                slack=self._shared.slack,
                workspaces=self._shared.workspaces,
                installations=self._shared.installations(),
                acceptor=acceptor,
                background=background,
                listeners=(conversations, feedback, escalations),
            )
        )

    def installer(self) -> Installer:
        """Return the application that installs the app in several workspaces."""
        return Installer(self._shared.instance.settings, self._shared.installations(), States(self._shared.store))

    def _streaming(self) -> Streaming:
        return Streaming(
            ShowingParts(
                store=self._shared.store,
                outbox=self._shared.instance.outbox,
                client=self._shared.client,
                status=self._shared.status,
                limits=self._shared.limits,
                streaming=self._shared.slack.streaming,
            )
        )

    def _slash(self, background: BackgroundTasks) -> SlashCommand:
        instance = self._shared.instance
        return SlashCommand(
            store=self._shared.store,
            inbox=instance.inbox,
            most_waiting=instance.settings.limits.queue,
            departments=instance.departments,
            notifications=instance.notifications,
            askable=self._shared.askable,
            suggestions=self._shared.suggestions,
            home=self._shared.home_reader,
            health=self._shared.health,
            channel_form=self._shared.channel_form,
            background=background,
        )
