"""The plugin host: one method per hook, with its name.

Each method calls the plugins that are on for the department, checks what they return, and says in its types what the
caller gets. A result of another kind counts as the plugin's failure. :mod:`bot.hooks.specs` says what each hook is for.
"""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from bot.config.sections import section_name
from bot.domain.errors import PluginError
from bot.hooks import results
from bot.hooks.calling.acting import Acted, noting
from bot.hooks.calling.limits import TimeLimits
from bot.hooks.calls import Calls, chained
from bot.hooks.commands import CommandTree
from bot.hooks.health import Failure
from bot.hooks.methods.actions import ActionHooks
from bot.hooks.methods.questions import QuestionHooks
from bot.hooks.methods.rounds import RoundHooks
from bot.hooks.registry import BUILT_IN, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    import click
    from pydantic import BaseModel

    from bot.domain.answers import Answer
    from bot.domain.departments import DepartmentSpec
    from bot.domain.feedback import Correction, Vote
    from bot.domain.plugins.jobs import Job
    from bot.domain.ports import (
        AdapterRegistry,
        Channel,
        ConsolePanel,
        Engine,
        Eraser,
        Parser,
        Retriever,
        Service,
        Source,
        WebRoutes,
    )
    from bot.domain.questions import Question
    from bot.hooks.calling.chains import Chain
    from bot.hooks.calling.record import FailureRecord, RecordedFailure
    from bot.hooks.calls import HookResult, MakeContext
    from bot.hooks.commands import Path
    from bot.hooks.registry import LoadedPlugin
    from bot.hooks.state import PluginStates
    from bot.storage.migrate import PluginTables

HOOK_THREADS = 32
"""Threads that wait for plugins, so that the event loop need not."""

P = ParamSpec("P")
T = TypeVar("T")


class PluginHost(QuestionHooks, ActionHooks, RoundHooks):
    """The plugins of one instance. Built per instance, so tests never share one.

    Where several plugins answer, the one registered last comes first, unless a method says otherwise. What methods take
    as ``instance`` is handed to hooks as it is; those expect a :class:`bot.hooks.instance.Instance`.

    :param states: which plugins are on, and their settings, per department.
    :param hookspecs: the module that declares the hooks, :mod:`bot.hooks.specs`.
    :param limits: how long calls of plugins may take.
    :param built_in: modules of Mentee's own plugins.
    :param extra: plugins by name, registered last.
    :param discover: whether to load the plugins of installed packages.
    :param make_context: makes what hooks get as ``context``.
    :param record: keeps failures for other processes to see.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each way to find plugins
        self,
        states: PluginStates,
        hookspecs: ModuleType,
        *,
        limits: TimeLimits | None = None,
        built_in: Sequence[str] = BUILT_IN,
        extra: Mapping[str, Any] | None = None,
        discover: bool = True,
        make_context: MakeContext | None = None,
        record: FailureRecord | None = None,
    ) -> None:
        self.states, self.limits = states, limits or TimeLimits()
        self._registry = Registry(hookspecs, built_in, extra, discover=discover)
        states.opt_in = frozenset(plugin.name for plugin in self.loaded.values() if plugin.opt_in)
        self._calls = Calls(self._registry, states, self.limits, make_context)
        self._calls.health.record = self._record = record
        self._brought: dict[str, str] = {}
        self._waiting = ThreadPoolExecutor(HOOK_THREADS, thread_name_prefix="waits for plugins")

    @property
    def loaded(self) -> Mapping[str, LoadedPlugin]:
        """Every plugin that was found, by name, with what kept it from loading."""
        return self._registry.loaded

    @property
    def problems(self) -> Mapping[str, str]:
        """The latest failure in this process of each plugin that has failed, by the plugin's name."""
        return self._calls.health.problems

    def failures(self, plugin: str) -> Sequence[Failure]:
        """Return the latest failures of a plugin in this process, at most five, the last one first."""
        return self._calls.health.failures(plugin)

    def recorded(self, plugin: str) -> Sequence[RecordedFailure]:
        """Return the latest failures of a plugin in all processes, the last one first; none without a record."""
        return self._record.of(plugin) if self._record is not None else ()

    def last_recorded(self) -> Mapping[str, RecordedFailure]:
        """Return the last failure of each plugin, in any process, by the plugin's name. Empty without a record."""
        return self._record.latest() if self._record is not None else {}

    def is_guard(self, plugin: str) -> bool:
        """Return whether what a plugin should have checked is refused while it fails."""
        return self._calls.health.is_guard(plugin)

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Return the versions of loaded plugins, by name, in order."""
        return {name: self.loaded[name].version for name in sorted(names)}

    def hooks_of(self, plugin: str) -> list[str]:
        """Return the names of the hooks that a plugin implements, sorted."""
        return self._registry.hooks_of(plugin)

    def implementing(self, hook: str) -> list[str]:
        """Return the plugins that implement a hook, Mentee's own first, whether or not they are on."""
        return [each.plugin for each in reversed(self._registry.implementations(hook))]

    def serves(self, plugin: str) -> bool:
        """Return whether a plugin that brings pages is there and on."""
        return plugin in self.implementing("register_routes") and self.states.enabled(plugin, None)

    def failed(self, plugin: str, what: str, problem: str, traceback: str = "") -> PluginError:
        """Count and return a failure of what a plugin brought, such as ``what="start() of the channel 'pager'"``."""
        return self._calls.health.failed(Failure(plugin, what, None, problem, traceback))

    def brought_by(self, hook: str) -> str:
        """Return the plugin whose part is used, such as its engine for ``register_engine``; empty if none is."""
        return self._brought.get(hook, "")

    def close(self) -> None:
        """Give up the calls that still run and let the threads end, hanging ones excepted; these hold up nothing."""
        self._calls.close()
        self._waiting.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await a method of this host, or other blocking work that calls hooks.

        It waits in threads of the host's own: a plugin that hangs takes none from searches and database sessions.
        """
        return await self._run_in(contextvars.copy_context(), partial(work, *args, **kwargs))

    async def run_noting(self, acted: Acted, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like :meth:`run`; ``acted`` takes what plugins do for a question."""
        return await self._run_in(noting(acted), partial(work, *args, **kwargs))

    async def _run_in(self, context: contextvars.Context, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._waiting, context.run, work)

    # --- at start ---------------------------------------------------------------------------------------------------

    def register_settings(self, plugin: str) -> type[BaseModel] | None:
        """Return the model of the plugin's settings; ``None`` when it declares none or fails. It is asked once."""
        try:
            return self._calls.settings_model(plugin)
        except PluginError:
            return None

    def register_section(self) -> dict[str, type[BaseModel]]:
        """Return the models of the sections that plugins bring to ``mentee.toml``, by the section's name."""
        declared = self._declared("register_section", results.SETTINGS_MODEL)
        return {section_name(plugin): model for plugin, model in declared.items()}

    def failing_sections(self) -> set[str]:
        """Return the names of the sections of plugins that did not load or have failed in this process."""
        broken = {plugin.name for plugin in self.loaded.values() if plugin.error and plugin.installed}
        return {section_name(plugin) for plugin in broken | self.problems.keys()}

    def register_tables(self) -> dict[str, PluginTables]:
        """Return the tables that plugins bring, by plugin."""
        return self._declared("register_tables", results.TABLES)

    @chained
    def register_commands(self, cli: click.Group, check: Callable[[str], None] | None = None) -> Chain[dict[Path, str]]:
        """Let plugins add their commands, Mentee's own first. One that replaces a command is reported and undone.

        :param check: called with the plugin's name before a command of it runs.
        :return: who brought which command, by the command's words.
        """
        owners: dict[Path, str] = {}
        for call in reversed([*self._calls.each("register_commands", results.NOTHING, None, {"cli": cli})]):
            tree = CommandTree(cli)
            plugin = (yield from call).plugin
            refuse = partial(self.failed, plugin, "register_commands")
            owners |= dict.fromkeys(tree.settle(refuse, partial(check, plugin) if check else None), plugin)
        return owners

    def register_departments(self) -> list[DepartmentSpec]:
        """Return the departments on offer, in the order in which the plugins were registered."""
        return self._all("register_departments", results.DEPARTMENTS, oldest_first=True)

    def start_department(self, instance: object, department: str) -> None:
        """Let plugins give a new department what it starts with."""
        self._tell("start_department", department, instance=instance)

    def register_engine(self, instance: object) -> Engine | None:
        """Return the first engine that a plugin brings."""
        return self._first("register_engine", results.ENGINE, instance=instance)

    def register_retriever(self, instance: object) -> Retriever | None:
        """Return the first retriever that a plugin brings."""
        return self._first("register_retriever", results.RETRIEVER, instance=instance)

    def register_adapter_registry(self, instance: object) -> AdapterRegistry | None:
        """Return the first registry of adapters that a plugin brings."""
        return self._first("register_adapter_registry", results.ADAPTER_REGISTRY, instance=instance)

    def register_channels(self, instance: object, plugin: str = "") -> list[Channel]:
        """Return the channels to start, of one plugin or of all."""
        return self._all("register_channels", results.CHANNELS, only=plugin, instance=instance)

    def register_services(self, instance: object, queues: Sequence[str], plugin: str = "") -> list[Service]:
        """Return the background workers of the queues, of one plugin or of all."""
        return self._all("register_services", results.SERVICES, only=plugin, instance=instance, queues=queues)

    def register_jobs(self, instance: object, plugin: str) -> list[Job]:
        """Return the jobs of one plugin."""
        return self._all("register_jobs", results.JOBS, only=plugin, instance=instance)

    def run_job(self, plugin: str, job: Job, work: Callable[[], object]) -> HookResult[Any]:
        """Do the work of a plugin's job; see :meth:`bot.hooks.calls.Calls.job`."""
        return self._calls.run(self._calls.job(plugin, job, work))

    def register_routes(self, instance: object, plugin: str = "") -> list[WebRoutes]:
        """Return the HTTP routes, of one plugin or of all."""
        return self._all("register_routes", results.ROUTES, only=plugin, instance=instance)

    def register_panels(self, instance: object) -> list[ConsolePanel]:
        """Return the boxes of the operators' page."""
        return self._all("register_panels", results.PANELS, instance=instance)

    def register_sources(self, plugin: str = "") -> list[Source]:
        """Return the document sources of one plugin or of all. The first that accepts an address reads it."""
        return self._all("register_sources", results.SOURCES, only=plugin)

    def register_parsers(self) -> list[Parser]:
        """Return the parsers in the order in which the plugins were registered: a later one wins."""
        return self._all("register_parsers", results.PARSERS, oldest_first=True)

    def register_erasers(self, instance: object) -> list[Eraser]:
        """Return what erases plugins' data. A plugin's failure is raised: what it keeps would stay."""
        return self._all("register_erasers", results.ERASERS, instance=instance)

    # --- after the answer -------------------------------------------------------------------------------------------

    def on_answer_recorded(self, question: Question, answer: Answer) -> None:
        """Tell plugins that an answer is committed."""
        self._tell("on_answer_recorded", answer.department, question=question, answer=answer)

    def on_vote_recorded(self, vote: Vote, answer: Answer) -> None:
        """Tell plugins that a vote, or its withdrawal, is committed."""
        self._tell("on_vote_recorded", answer.department, vote=vote, answer=answer)

    def on_correction_recorded(self, correction: Correction, answer: Answer) -> None:
        """Tell plugins that a correction is committed."""
        self._tell("on_correction_recorded", answer.department, correction=correction, answer=answer)

    def find_address(self, instance: object, target: str) -> Mapping[str, Any] | None:
        """Return the first address that a plugin finds for a person or place."""
        return self._first("find_address", results.ADDRESS, instance=instance, target=target)

    def on_event(self, event: object, department: str | None) -> None:
        """Tell plugins of an event that one of them published."""
        self._tell("on_event", department, event=event)
