"""What several parts of the plugin use, made once for an instance."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from plugins.slack.outbound.ephemeral import EphemeralSender
from plugins.slack.outbound.posted import PostedAnswers, PostedMessages
from plugins.slack.outbound.rate_limits import RateLimits
from plugins.slack.outbound.status import StatusLines
from plugins.slack.overview.departments import AskableDepartments
from plugins.slack.overview.health import HealthReport
from plugins.slack.overview.home import HomeReader
from plugins.slack.overview.reviews import ReviewQueue
from plugins.slack.overview.suggestions import Suggestions
from plugins.slack.settings import SlackSettings
from plugins.slack.views.assistant import Assistant
from plugins.slack.views.channel_settings import ChannelSettingsForm
from plugins.slack.views.home import HomeTab
from plugins.slack.workspaces.channels import Channels
from plugins.slack.workspaces.current import Workspaces
from plugins.slack.workspaces.encryption import TokenCipher
from plugins.slack.workspaces.groups import Groups
from plugins.slack.workspaces.installations import Installations
from plugins.slack.workspaces.threads import Threads
from retrieval.catalog import Catalog
from tuning.rounds.summaries import RoundSummary, latest_rounds

if TYPE_CHECKING:
    from bot.hooks.instance import Instance
    from plugins.slack.client.background_tasks import BackgroundTasks


class SharedParts:
    """The shared parts, and the instance whose services they use."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.store = instance.store
        self.slack = SlackSettings.of(instance.settings)
        self.workspaces = Workspaces(self.slack, instance.store)
        self.client = self.workspaces.client
        self.channels = Channels(instance.places, self.slack)
        self.threads = Threads(instance.history, instance.inbox, instance.outbox)
        self.groups = Groups(self.client)
        self.status = StatusLines(self.client)
        self.limits = RateLimits()
        self.messages = PostedMessages(self.client)
        self.answers = PostedAnswers(instance.store, instance.outbox, self.messages)
        self.ephemeral = EphemeralSender(self.client)
        self.catalog = Catalog(instance.store)
        self.askable = AskableDepartments(instance.departments, instance.rights, self.catalog)
        self.reviews = ReviewQueue(instance.reviews, instance.history, self.askable, instance.plugins)
        self.suggestions = Suggestions(instance.history, instance.votes)

    @cached_property
    def health(self) -> HealthReport:
        """How the instance does."""
        instance = self.instance
        return HealthReport(
            inbox=instance.inbox,
            outbox=instance.outbox,
            escalations=instance.escalations,
            reviews=instance.reviews,
            plugins=instance.plugins,
            catalog=self.catalog,
            last_round=self._last_round,
        )

    @cached_property
    def home_reader(self) -> HomeReader:
        """What App Home shows."""
        instance = self.instance
        return HomeReader(instance.history, instance.escalations, self.askable, self.reviews, self.health)

    @cached_property
    def home(self) -> HomeTab:
        """Draws App Home."""
        return HomeTab(self.store, self.instance.departments, self.home_reader, self.client)

    @cached_property
    def channel_form(self) -> ChannelSettingsForm:
        """The modal with a channel's settings."""
        return ChannelSettingsForm(self.store, self.instance.departments, self.channels, self.client)

    def assistant(self, background: BackgroundTasks) -> Assistant:
        """Return what surrounds conversations; its small calls run in ``background``."""
        return Assistant(
            store=self.store,
            departments=self.instance.departments,
            askable=self.askable,
            suggestions=self.suggestions,
            status=self.status,
            background=background,
            client=self.client,
        )

    def installations(self) -> Installations:
        """Return the installations of workspaces."""
        return Installations(self.store, lambda: TokenCipher(self.slack), self.instance.publish)

    def _last_round(self, department: str) -> RoundSummary | None:
        return next(iter(latest_rounds(self.store, department, limit=1)), None)
