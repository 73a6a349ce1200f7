"""What a plugin can use of the running instance: settings and services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from bot.access.audit import AuditLog
    from bot.access.departments import Department, Departments
    from bot.access.people import People
    from bot.access.places import Places
    from bot.access.rights import Rights
    from bot.access.sessions import Sessions
    from bot.config.settings import Settings
    from bot.delivery.events import AnswerEvents
    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.answers import AnswerEvent
    from bot.domain.departments import DepartmentSpec
    from bot.domain.ports import AdapterRegistry, ChosenAdapters, Engine, Retriever
    from bot.domain.questions import Question
    from bot.feedback.actions import Actions
    from bot.feedback.curated.answers import CuratedAnswers
    from bot.feedback.escalations import Escalations
    from bot.feedback.history import FeedbackHistory
    from bot.feedback.notifications import Notifications
    from bot.feedback.outcomes.ledger import OutcomeLedger
    from bot.feedback.quality.ratings import Ratings
    from bot.feedback.reviews import Reviews
    from bot.feedback.votes import Votes
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from bot.storage.session import Store


class Instance(Protocol):
    """A running instance of Mentee. ``register_…`` hooks receive it as ``instance``.

    Take from it what your plugin needs. Read and write Mentee's data with these services, never with its tables:

    - ``history``: questions with their answers: by id, of a thread, of a person; counts by department
    - ``feedback``: answers with what people said about them; counts of votes
    - ``actions``: what plugins offer to do under answers; confirm one as the person who asked
    - ``votes``: votes and corrections: record, the current one, counts
    - ``reviews``: answers that wait for a correction; complaints
    - ``curated``: agents' corrections that are given as answers: find, list, edit, retire
    - ``ratings``: agents' grades for answers
    - ``escalations``: questions handed to a person; how many are open
    - ``outcomes``: how questions ended, with the figures that follow
    - ``inbox``: accept; items by id or message; backlog
    - ``outbox``: add, add once; deliveries by id, answer or question; cancel, close; backlog
    - ``people``: who is known: add, rename, check a password
    - ``sessions``: ``sessions.require(request, role, scope)`` returns who sent a request: a browser or a token
    - ``departments``: departments, who may ask them; who a person is and what they may read
    - ``rights``: what an audience may see of earlier answers: ``rights.sight(audience).sees_answer(answer)``
    - ``places``: Slack channels and the like: who answers there, what may be read
    - ``audit``: who changed what; :func:`bot.note_change` adds an entry

    To write several things in one transaction, pass a session: ``with instance.store.write() as session: …``.
    """

    worker: str
    """Name of this process, unique among all that share the database."""

    @property
    def settings(self) -> Settings:
        """The settings in force for the whole instance."""

    @property
    def store(self) -> Store:
        """Sessions on the database, for a plugin's own tables."""

    @property
    def plugins(self) -> PluginHost:
        """The plugin host."""

    @property
    def departments(self) -> Departments:
        """Departments and their members."""

    @property
    def rights(self) -> Rights:
        """Who may see what was answered earlier."""

    @property
    def places(self) -> Places:
        """Where several people talk, such as Slack channels."""

    @property
    def audit(self) -> AuditLog:
        """Who changed what."""

    @property
    def history(self) -> History:
        """What was asked and answered."""

    @property
    def feedback(self) -> FeedbackHistory:
        """What people said about answers."""

    @property
    def people(self) -> People:
        """The people known to the instance."""

    @property
    def sessions(self) -> Sessions:
        """The sessions of signed-in browsers: who sent a request."""

    @property
    def inbox(self) -> Inbox:
        """Where a channel commits what it accepted."""

    @property
    def outbox(self) -> Outbox:
        """Where deliveries wait for their channel."""

    @property
    def answer_events(self) -> AnswerEvents:
        """The events of answers that this process is writing."""

    @property
    def actions(self) -> Actions:
        """What plugins offer to do under answers, and what came of it."""

    @property
    def votes(self) -> Votes:
        """Votes, corrections and curated answers."""

    @property
    def reviews(self) -> Reviews:
        """Answers that wait for a correction."""

    @property
    def curated(self) -> CuratedAnswers:
        """Agents' corrections that are given as answers."""

    @property
    def ratings(self) -> Ratings:
        """Agents' grades for answers."""

    @property
    def escalations(self) -> Escalations:
        """Questions handed to a person."""

    @property
    def outcomes(self) -> OutcomeLedger:
        """How questions ended."""

    @property
    def notifications(self) -> Notifications:
        """What voters are told became of their feedback."""

    @property
    def active_adapters(self) -> ChosenAdapters:
        """Which adapter answers for which department."""

    @property
    def adapter_registry(self) -> AdapterRegistry:
        """Where a plugin publishes an adapter and makes it a department's champion."""

    @property
    def engine(self) -> Engine:
        """The engine that writes answers."""

    @property
    def retriever(self) -> Retriever:
        """The retriever that finds passages."""

    def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Answer a question, streaming; nothing is recorded."""

    async def stop_engine(self) -> None:
        """Stop the engine if answering has started it."""

    def add_department(self, spec: DepartmentSpec, *, actor: str, offered: DepartmentSpec | None = None) -> Department:
        """Add a department and let plugins give it what it starts with."""

    def find_address(self, target: str) -> Mapping[str, Any] | None:
        """Return the address of a person or place such as ``slack:U024BE7LH`` in its channel; ``None`` without one."""

    def publish(self, event: object, department: str | None = None) -> None:
        """Tell the other plugins of an event, a frozen dataclass of yours; they hear it by the hook ``on_event``."""
