"""The composition root: builds the parts of an instance and hands each what it needs."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cached_property, partial
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from bot.access.audit import AuditLog
from bot.access.departments import Departments
from bot.access.people import People
from bot.access.places import Places
from bot.access.rights import Rights
from bot.access.sessions import Sessions
from bot.access.tokens import Tokens
from bot.delivery.events import AnswerEvents
from bot.delivery.inbox import Inbox
from bot.delivery.messages import DeliveryHandler, MessageWorkers
from bot.delivery.outbox import Outbox
from bot.delivery.questions import QuestionHandler, Unanswered
from bot.delivery.recipients import Recipients
from bot.delivery.worker import QueueWorker
from bot.domain.errors import SettingsError
from bot.domain.ports import TokenEmbedder
from bot.feedback.action_rows import ActionRows
from bot.feedback.actions import Actions
from bot.feedback.escalations import Escalations
from bot.feedback.history import FeedbackHistory
from bot.feedback.notifications import Notifications
from bot.feedback.quality.ratings import Ratings
from bot.feedback.reviews import Reviews
from bot.hooks import specs
from bot.hooks.calling.acting import counting
from bot.hooks.calling.limits import TimeLimits
from bot.hooks.calling.record import FailureRecord
from bot.hooks.context.plugin_context import ContextParts, PluginContext
from bot.hooks.host import PluginHost
from bot.hooks.jobs.queue import JobQueue
from bot.hooks.jobs.service import Jobs
from bot.hooks.registry import BUILT_IN
from bot.hooks.state import PluginStates
from bot.inference.active_adapters import ActiveAdapters
from bot.inference.running import RunningEngine
from bot.storage.history import History
from bot.storage.session import Store
from bot.storage.traces import outermost

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.access.departments import Department
    from bot.access.erasing import Erasing
    from bot.answering.pipeline import Pipeline
    from bot.answering.record import Recorder
    from bot.config.settings import Settings
    from bot.domain.answers import Answer, AnswerEvent
    from bot.domain.deliveries import InboxItem
    from bot.domain.departments import DepartmentSpec
    from bot.domain.people import Audience
    from bot.domain.ports import AdapterRegistry, Channel, ChosenAdapters, Engine, Retriever, TokenVectors
    from bot.domain.questions import Question
    from bot.feedback.curated.answers import CuratedAnswers
    from bot.feedback.outcomes.ledger import OutcomeLedger
    from bot.feedback.votes import Votes
    from bot.hooks.context.http_client import HttpClients, PluginHttp
    from bot.hooks.context.model import PluginModel
    from bot.hooks.instance import Instance

ANSWERS_AT_ONCE = 32
"""Questions answered at the same time; the engine has a queue of its own."""
DELIVERIES_AT_ONCE = 512
COMPLETIONS_AT_ONCE = 4
"""Completions of one plugin: people who wait for answers share the model with it."""


class Mentee:
    """An open instance. It is a :class:`bot.hooks.instance.Instance` to plugins.

    What is costly is made when first used: the engine, the retriever, and what needs heavy libraries. Whoever may not
    need the engine or the retriever gets a function that returns it.

    :param engine: used instead of the configured one.
    :param retriever: used instead of one that a plugin brings.
    :param active_adapters: used instead of the champions, such as to measure one adapter for all departments.
    :param built_in: modules of the built-in plugins; tests leave some out.
    :param extra_plugins: plugins given by name, registered after all others.
    :param discover: whether plugins of installed packages are loaded.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each part that may be given
        self,
        settings: Settings,
        *,
        engine: Engine | None = None,
        retriever: Retriever | None = None,
        active_adapters: ChosenAdapters | None = None,
        built_in: Sequence[str] = BUILT_IN,
        extra_plugins: Mapping[str, Any] | None = None,
        discover: bool = True,
    ) -> None:
        self.settings = settings
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.store = Store(settings.database_url)
        self.plugins = self._open_plugins(built_in, extra_plugins, discover=discover)
        self.departments = Departments(self.store, settings)
        self.people = People(self.store)
        self.rights = Rights(self.departments, self._readable)
        self.places = Places(self.store, self.departments)
        self.audit = AuditLog(self.store)
        self.history = History(self.store)
        self.inbox = Inbox(self.store, self.worker, settings.limits.lease_seconds)
        self.outbox = Outbox(self.store, self.worker, settings.limits.lease_seconds)
        self.answer_events = AnswerEvents()
        recipients = Recipients(self.outbox, self.find_address)
        self.escalations = Escalations(self.store, self.departments, self.outbox, recipients)
        self.notifications = Notifications(self.store, self.departments, recipients)
        self.reviews = Reviews(self.store, self.departments, self.rights)
        self.feedback = FeedbackHistory(self.store)
        self.ratings = Ratings(self.store)
        self.sessions = Sessions(self.store, settings.web, Tokens(self.store))
        name = settings.model.name
        base = settings.models_dir / name if settings.model.engine == "local" else None
        champions = ActiveAdapters(self.store, settings.artifacts_dir / "adapters", name, base)
        self.active_adapters: ChosenAdapters = active_adapters or champions
        self._given_engine, self._given_retriever = engine, retriever
        self.running_engine = RunningEngine(lambda: self.engine)
        self._completions: dict[str, BoundedSemaphore] = {}

    @cached_property
    def http_clients(self) -> HttpClients:
        """The HTTP clients of plugins."""
        from bot.hooks.context.http_client import HttpClients

        return HttpClients(self.settings.network.allow)

    @cached_property
    def engine(self) -> Engine:
        """The engine, not started yet: a plugin's, where one brings it, else the configured one."""
        if self._given_engine is not None:
            return self._given_engine
        brought = self.plugins.register_engine(self.as_instance())
        if brought is not None:
            return brought
        from bot.inference.selection import open_engine

        return open_engine(self.settings)

    @cached_property
    def retriever(self) -> Retriever:
        """The given retriever, else the one that a plugin brings.

        :raises SettingsError: no plugin does.
        """
        retriever = self._given_retriever or self.plugins.register_retriever(self.as_instance())
        if retriever is None:
            raise SettingsError(
                "No plugin provides a retriever.", hint="`mentee plugins list` shows why retrieval did not load."
            )
        return retriever

    @cached_property
    def adapter_registry(self) -> AdapterRegistry:
        """The registry of adapters that a plugin brings.

        :raises SettingsError: no plugin does.
        """
        registry = self.plugins.register_adapter_registry(self.as_instance())
        if registry is None:
            raise SettingsError(
                "No plugin provides a registry of adapters.",
                hint="`mentee plugins list` shows why tuning did not load.",
            )
        return registry

    @cached_property
    def erasing(self) -> Erasing:
        """Erases people and documents."""
        from bot.access.erasing import Erasing

        return Erasing(
            self.store,
            erasers=lambda: self.plugins.register_erasers(self.as_instance()),
            tables=lambda: [each.metadata for each in self.plugins.register_tables().values()],
            folders=outermost(self.settings.home, self.settings.artifacts_dir),
            apart=self.settings.models_dir,
        )

    @cached_property
    def actions(self) -> Actions:
        """What plugins offer to do under answers."""
        return Actions(
            rows=ActionRows(self.store, self.outbox, self.settings.limits.action_seconds),
            history=self.history,
            rights=self.rights,
            call=self.plugins.on_action,
            check=self.plugins.check_result,
            enabled=self.plugins.states.enabled,
            counting=counting,
        )

    @cached_property
    def votes(self) -> Votes:
        """Votes and corrections."""
        from bot.feedback.votes import Votes

        return Votes(self.store, self.rights, self.escalations, self.plugins)

    @cached_property
    def curated(self) -> CuratedAnswers:
        """Curated answers."""
        from bot.feedback.curated.answers import CuratedAnswers
        from bot.feedback.sameness.comparing import Sameness

        name = self.settings.model.embedder
        return CuratedAnswers(self.store, self.rights, self._embed, name, Sameness(self._embed_tokens))

    @cached_property
    def outcomes(self) -> OutcomeLedger:
        """How questions ended."""
        from bot.feedback.outcomes.ledger import OutcomeLedger
        from bot.feedback.outcomes.rephrasing import Rephrasings

        same = Rephrasings(self.store, self._embed, self._embed_tokens)
        return OutcomeLedger(self.store, self.departments, self.rights, self.reviews, same, self.settings.outcomes)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The answer pipeline."""
        from bot.answering.pipeline import Pipeline
        from bot.answering.retrieve import Retrieval
        from bot.answering.routing import Router
        from bot.answering.threads.topic import Topics
        from bot.answering.writing import Writer

        limits, model = self.settings.limits, self.settings.model
        return Pipeline(
            self.settings,
            self.plugins,
            topics=Topics(self.departments, lambda: self.retriever),
            router=Router(self.departments, self.plugins, lambda: self.retriever, self.history),
            curated=self.curated,
            retrieval=Retrieval(lambda: self.retriever, self.plugins, limits.retrieval_seconds),
            writer=Writer(
                self.running_engine,
                self.active_adapters,
                self.plugins,
                self._embed,
                model.max_new_tokens,
                limits.generation_seconds,
            ),
            running=self.running_engine,
            rights=self.rights,
        )

    @cached_property
    def recorder(self) -> Recorder:
        """Commits answers."""
        from bot.answering.record import Recorder

        return Recorder(
            self.store, self.inbox, self.outbox, self.actions, self.plugins, self.rights, self.departments.title
        )

    def message_workers(self, channels: Mapping[str, Channel]) -> MessageWorkers:
        """Return the workers of a process that serves these channels."""
        deliveries = QueueWorker(
            self.outbox, DeliveryHandler(channels, self.outbox).handle, channels, parallel=DELIVERIES_AT_ONCE
        )

        async def record(question: Question, answer: Answer, *, inbox_item: InboxItem) -> bool:
            return await self.plugins.run(self.recorder.record, question, answer, inbox_item=inbox_item)

        handler = QuestionHandler(
            channels,
            self.pipeline.answer,
            record,
            events=self.answer_events,
            unanswered=Unanswered(self.store, self.inbox, self.outbox),
            delivered=deliveries.wake,
        )
        questions = QueueWorker(
            self.inbox, handler.handle, channels, parallel=ANSWERS_AT_ONCE, gives_way=self.inbox.is_accepting
        )
        return MessageWorkers(self.inbox, questions, deliveries, self.settings.limits.drain_seconds)

    def jobs(self) -> Jobs:
        """Return what runs the jobs of plugins in this process."""
        enabled = partial(self.plugins.states.enabled, department=None)
        queue = JobQueue(self.store, self.worker, self.settings.limits.lease_seconds, enabled)
        return Jobs(self.plugins, queue, self.as_instance())

    def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Answer a question, streaming; nothing is recorded (see :meth:`bot.answering.pipeline.Pipeline.answer`)."""
        return self.pipeline.answer(question)

    async def stop_engine(self) -> None:
        """Stop the engine if answering has started it."""
        await self.running_engine.stop()

    def find_address(self, target: str) -> Mapping[str, Any] | None:
        """Return the address of a person or place such as ``slack:U024BE7LH`` in its channel; ``None`` without one."""
        return self.plugins.find_address(self.as_instance(), target)

    def publish(self, event: object, department: str | None = None) -> None:
        """Tell plugins of an event that one of them brings."""
        self.plugins.on_event(event, department)

    def add_department(self, spec: DepartmentSpec, *, actor: str, offered: DepartmentSpec | None = None) -> Department:
        """Add a department and let plugins give it what it starts with.

        :param offered: a plugin's own description of it.
        :raises SettingsError: the name is taken, or cannot name a department.
        """
        department = self.departments.add(spec, actor=actor, offered=offered)
        self.plugins.start_department(self.as_instance(), spec.name)
        return department

    def as_instance(self) -> Instance:
        """Return what plugins see of this."""
        return self

    def close(self) -> None:
        """Close the database and let go of worker threads."""
        self.actions.close()
        self.plugins.close()
        self.running_engine.close()
        if "http_clients" in self.__dict__:
            self.http_clients.close()
        self.store.close()

    def _open_plugins(self, built_in: Sequence[str], extra: Mapping[str, Any] | None, *, discover: bool) -> PluginHost:
        limits = self.settings.limits
        return PluginHost(
            PluginStates(self.store, self.settings.plugins),
            specs,
            limits=TimeLimits(limits.plugin_seconds, limits.action_seconds, limits.plugins),
            built_in=built_in,
            extra=extra,
            discover=discover,
            make_context=partial(PluginContext, ContextParts(self.as_instance, self._http, self._model)),
            record=FailureRecord(self.store, self.worker),
        )

    def _http(self, plugin: str) -> PluginHttp:
        return self.http_clients.of(plugin)

    def _model(self, plugin: str, department: str | None) -> PluginModel:
        from bot.hooks.context.model import PluginModel

        return PluginModel(
            plugin,
            department,
            self.running_engine,
            slots=self._completions.setdefault(plugin, BoundedSemaphore(COMPLETIONS_AT_ONCE)),
            tokens=self.settings.model.max_new_tokens,
            seconds=self.settings.limits.generation_seconds,
        )

    def _readable(self, documents: Collection[str], department: str, audience: Audience) -> Collection[str]:
        return self.retriever.readable(documents, department, audience)

    def _embed_tokens(self, texts: Sequence[str]) -> Sequence[TokenVectors] | None:
        """Return the token vectors that questions are compared by, if the embedder is the one that is known."""
        from bot.feedback.sameness.comparing import load_weights

        known = self.settings.model.embedder == load_weights().embedder
        return self.retriever.embed_tokens(texts) if known and isinstance(self.retriever, TokenEmbedder) else None

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.retriever.embed(texts)


def open_mentee(settings: Settings, **parts: Any) -> Mentee:
    """Open the instance of a home whose database is up to date.

    :param parts: see :class:`Mentee`.
    :raises SettingsError: a plugin's section of ``mentee.toml`` can't be used, a time limit is that of no plugin, or
        the database needs ``mentee db upgrade``.
    """
    from bot.config.private import make_private
    from bot.config.sections import check_sections
    from bot.storage import migrate

    make_private(settings)
    mentee = Mentee(settings, **parts)
    try:
        mentee.plugins.limits.check(mentee.plugins.loaded)
        check_sections(settings, mentee.plugins.register_section(), mentee.plugins.failing_sections())
        migrate.check(mentee.store, mentee.plugins.register_tables())
    except BaseException:
        mentee.close()
        raise
    return mentee
