"""One instance of Mentee, put together: everything else receives what it needs from here."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bot.departments import Departments
from bot.errors import SettingsError
from bot.hooks import BUILT_IN, Plugins
from bot.inbox import Inbox
from bot.outbox import Outbox
from bot.plugin_states import PluginStates
from bot.store import Store
from bot.streams import AnswerStreams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.champions import Champions
    from bot.departments import Department
    from bot.escalations import Escalations
    from bot.messages import DepartmentSpec
    from bot.news import News
    from bot.pipeline import Pipeline
    from bot.protocols import Engine, Retriever
    from bot.settings import Settings
    from bot.votes import Votes


class Mentee:
    """An open instance. Parts that are costly to make (engine, retriever) are made when first used.

    :param engine: used instead of the configured one.
    :param built_in: modules of the built-in plugins; tests leave some out.
    :param extra_plugins: plugins given by name, registered after all others.
    :param discover: whether plugins of installed packages are loaded.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine | None = None,
        built_in: Sequence[str] = BUILT_IN,
        extra_plugins: Mapping[str, Any] | None = None,
        discover: bool = True,
    ) -> None:
        self.settings = settings
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.store = Store(settings.database_url)
        self.plugins = Plugins(
            PluginStates(self.store, settings.plugins),
            seconds=settings.limits.plugin_seconds,
            built_in=built_in,
            extra=extra_plugins,
            discover=discover,
        )
        self.departments = Departments(self.store, settings)
        self.inbox = Inbox(self.store, self.worker, settings.limits.lease_seconds)
        self.outbox = Outbox(self.store, self.worker, settings.limits.lease_seconds)
        self.streams = AnswerStreams()
        self._given_engine = engine

    @cached_property
    def engine(self) -> Engine:
        """The engine, not started yet: a plugin's, where one brings it, else the configured one."""
        if self._given_engine is not None:
            return self._given_engine
        for _, engine in self.plugins.values("register_engine", mentee=self):
            brought: Engine = engine
            return brought
        from bot.engines import open_engine

        return open_engine(self.settings)

    @cached_property
    def retriever(self) -> Retriever:
        """The retriever that a plugin brings.

        :raises SettingsError: no plugin does.
        """
        for _, retriever in self.plugins.values("register_retriever", mentee=self):
            return retriever  # type: ignore[no-any-return]
        raise SettingsError(
            "No plugin brings a retriever.", hint="`mentee plugins list` shows why retrieval did not load."
        )

    @cached_property
    def champions(self) -> Champions:
        """Which adapter answers for which department."""
        from bot.champions import Champions

        return Champions(self.store, self.settings)

    @cached_property
    def votes(self) -> Votes:
        """Votes, corrections and curated answers."""
        from bot.votes import Votes

        return Votes(self)

    @cached_property
    def escalations(self) -> Escalations:
        """Questions handed to a person."""
        from bot.escalations import Escalations

        return Escalations(self)

    @cached_property
    def news(self) -> News:
        """What voters are told became of their feedback."""
        from bot.news import News

        return News(self)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The way of one message."""
        from bot.pipeline import Pipeline

        return Pipeline(self)

    def find_address(self, target: str) -> Mapping[str, Any] | None:
        """Return the address of a person or place such as ``slack:U024BE7LH`` in its channel; ``None`` without one."""
        return next((address for _, address in self.plugins.values("find_address", mentee=self, target=target)), None)

    def add_department(self, spec: DepartmentSpec, *, actor: str) -> Department:
        """Add a department and let plugins give it what it starts with.

        :raises SettingsError: the name is taken, or cannot name a department.
        """
        department = self.departments.add(spec, actor=actor)
        list(self.plugins.values("start_department", spec.name, mentee=self))
        return department

    def close(self) -> None:
        """Let go of the database and of worker threads."""
        self.plugins.close()
        self.store.close()


def open_mentee(settings: Settings, **parts: Any) -> Mentee:
    """Open the instance of a home whose database is up to date.

    :param parts: see :class:`Mentee`.
    :raises SettingsError: the database needs ``mentee db upgrade``.
    """
    from bot.store import migrate

    mentee = Mentee(settings, **parts)
    migrate.check(mentee.store)
    return mentee
