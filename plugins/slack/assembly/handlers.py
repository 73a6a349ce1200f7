"""The table from kind of inbox item to its handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.delivery.rate_limit import RateLimit
from plugins.slack import items
from plugins.slack.handlers.actions import ActionHandler
from plugins.slack.handlers.attachments import Attachments
from plugins.slack.handlers.channel_settings import ChannelSettingsHandler
from plugins.slack.handlers.context import Context
from plugins.slack.handlers.corrections import CorrectionHandler, ProposalHandler
from plugins.slack.handlers.escalations import EscalationHandlers
from plugins.slack.handlers.greeting import GreetingHandler
from plugins.slack.handlers.notifications import StopNotificationsHandler
from plugins.slack.handlers.private_answers import PrivateAnswerHandler, ShareHandler
from plugins.slack.handlers.questions import ElsewhereHandler, QuestionHandler
from plugins.slack.handlers.revisions import DeletionHandler, EditHandler
from plugins.slack.handlers.votes import VoteHandlers
from plugins.slack.workspaces.people import SlackPeople

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.assembly.shared import SharedParts
    from plugins.slack.channel import Handler
    from plugins.slack.client.background_tasks import BackgroundTasks


class HandlerTable:
    """Makes the handlers of one channel.

    :param background: runs small calls beside them.
    """

    def __init__(self, shared: SharedParts, background: BackgroundTasks) -> None:
        self._shared = shared
        self._background = background

    def by_kind(self) -> Mapping[str, Handler]:
        """Return the handler of each kind of inbox item."""
        questions, escalations = self._questions(), self._escalations()
        proposals, votes = self._proposals(), self._votes()
        return {
            items.QUESTION: questions.handle,
            items.EDIT: self._edits(questions).handle,
            items.DELETION: self._deletions().handle,
            items.SHARE: self._sharing().handle,
            items.ANSWER_PRIVATELY: self._private_answers().handle,
            items.CHANNEL_SETTINGS: ChannelSettingsHandler(
                self._shared.store, self._shared.channels, self._shared.channel_form
            ).handle,
            items.GREETING: GreetingHandler(self._shared.store, self._shared.instance.outbox).handle,
            items.VOTE: votes.vote,
            items.REACTION: votes.reaction,
            items.REASON: votes.reason,
            items.CORRECTION: self._corrections().handle,
            items.PROPOSAL: proposals.handle,
            items.ASK_PERSON: escalations.ask_person,
            items.CHECK_MARK: escalations.check_mark,
            items.CLOSE_ESCALATION: escalations.close,
            items.CONFIRM_ACTION: self._actions().handle,
            items.ASK_ELSEWHERE: ElsewhereHandler(
                store=self._shared.store,
                inbox=self._shared.instance.inbox,
                history=self._shared.instance.history,
                channels=self._shared.channels,
            ).handle,
            items.STOP_NOTIFICATIONS: StopNotificationsHandler(
                self._shared.store, self._shared.instance.notifications, self._shared.ephemeral
            ).handle,
        }

    def _questions(self) -> QuestionHandler:
        instance, per_minute = self._shared.instance, self._shared.instance.settings.limits.questions_per_minute
        return QuestionHandler(
            store=self._shared.store,
            outbox=instance.outbox,
            departments=instance.departments,
            people=self._people(),
            channels=self._shared.channels,
            groups=self._shared.groups,
            threads=self._shared.threads,
            context=Context(self._shared.store, self._shared.threads, self._shared.client),
            attachments=Attachments(instance.plugins, self._shared.slack.api_url, self._shared.client),
            rate_limit=RateLimit(per_minute, f"You asked {per_minute} questions within a minute."),
        )

    def _people(self) -> SlackPeople:
        return SlackPeople(self._shared.store, self._shared.instance.people, self._shared.client)

    def _edits(self, questions: QuestionHandler) -> EditHandler:
        instance = self._shared.instance
        return EditHandler(
            store=self._shared.store,
            inbox=instance.inbox,
            outbox=instance.outbox,
            history=instance.history,
            ask=questions.handle,
        )

    def _deletions(self) -> DeletionHandler:
        instance = self._shared.instance
        return DeletionHandler(
            store=self._shared.store,
            inbox=instance.inbox,
            outbox=instance.outbox,
            escalations=instance.escalations,
            messages=self._shared.messages,
            client=self._shared.client,
        )

    def _sharing(self) -> ShareHandler:
        return ShareHandler(
            store=self._shared.store,
            outbox=self._shared.instance.outbox,
            history=self._shared.instance.history,
            askable=self._shared.askable,
            channels=self._shared.channels,
            groups=self._shared.groups,
            plugins=self._shared.instance.plugins,
            client=self._shared.client,
        )

    def _private_answers(self) -> PrivateAnswerHandler:
        instance = self._shared.instance
        return PrivateAnswerHandler(
            store=self._shared.store,
            inbox=instance.inbox,
            history=instance.history,
            departments=instance.departments,
            threads=self._shared.threads,
        )

    def _votes(self) -> VoteHandlers:
        return VoteHandlers(
            store=self._shared.store,
            people=self._people(),
            departments=self._shared.instance.departments,
            votes=self._shared.instance.votes,
            threads=self._shared.threads,
            answers=self._shared.answers,
            ephemeral=self._shared.ephemeral,
            proposals=self._proposals(),
            reviews=self._shared.reviews,
        )

    def _proposals(self) -> ProposalHandler:
        return ProposalHandler(
            store=self._shared.store,
            departments=self._shared.instance.departments,
            votes=self._shared.instance.votes,
            threads=self._shared.threads,
            ephemeral=self._shared.ephemeral,
        )

    def _corrections(self) -> CorrectionHandler:
        return CorrectionHandler(
            store=self._shared.store,
            departments=self._shared.instance.departments,
            votes=self._shared.instance.votes,
            reviews=self._shared.reviews,
            ephemeral=self._shared.ephemeral,
            background=self._background,
            publish_home=self._shared.home.publish,
        )

    def _actions(self) -> ActionHandler:
        return ActionHandler(
            store=self._shared.store,
            departments=self._shared.instance.departments,
            actions=self._shared.instance.actions,
            channels=self._shared.channels,
            threads=self._shared.threads,
            ephemeral=self._shared.ephemeral,
            client=self._shared.client,
        )

    def _escalations(self) -> EscalationHandlers:
        return EscalationHandlers(
            store=self._shared.store,
            departments=self._shared.instance.departments,
            escalations=self._shared.instance.escalations,
            threads=self._shared.threads,
            ephemeral=self._shared.ephemeral,
            client=self._shared.client,
        )
