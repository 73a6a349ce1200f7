"""Finds plugins and lists what implements a hook. Beside :mod:`bot.hooks.specs`, the only module that uses pluggy."""

from __future__ import annotations

import inspect
import threading
import traceback
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pluggy
import structlog

from bot.config.extras import NotInstalledError, require
from bot.config.sections import section_name
from bot.config.suggestions import did_you_mean
from bot.hooks.calling.errors import NotCalledError
from bot.hooks.calling.unloaded import unloaded
from bot.hooks.health import GUARD_HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

BUILT_IN = (
    "retrieval.plugin",
    "tuning.plugin",
    "plugins.sources",
    "plugins.slack",
    "plugins.web",
    "plugins.console",
    "plugins.desk",
    "plugins.metrics",
    "plugins.housekeeping",
    "plugins.guards.grounding",
    "plugins.guards.secrets",
    "plugins.scrubbers.personal_data",
    "plugins.departments.it",
    "plugins.departments.hr",
    "plugins.departments.travel",
    "plugins.departments.procurement",
    "plugins.departments.security",
    "plugins.departments.operations",
    "plugins.departments.general",
    "plugins.departments.support",
)
"""Mentee's own plugins, lowest priority first. They use nothing that a third party could not use."""

NEEDS = {"plugins.slack": "slack"}
"""Built-in plugins that load only with an extra."""

IMPORT_SECONDS = 30.0
"""How long the import of a plugin may take."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was found. ``error`` says why it did not load; such a plugin is never called.

    :param installed: ``False`` for a plugin of Mentee's own whose extra was left out, which is no fault.
    :param opt_in: whether it is off until somebody switches it on: the plugin sets ``OPT_IN = True``.
    :param about: the first line of its docstring.
    :param warning: what is probably a mistake, such as a hook that isn't marked.
    :param traceback: where an error was raised.
    """

    name: str
    version: str
    origin: str
    error: str = ""
    installed: bool = True
    opt_in: bool = False
    about: str = ""
    warning: str = ""
    traceback: str = ""

    @property
    def called(self) -> bool:
        """Whether it loaded."""
        return not self.error


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's function for one hook, or for a job.

    :param seconds: its time limit; by default that of the hook.
    :param slots: what it takes a slot of; by default of its plugin's calls.
    """

    plugin: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    seconds: float | None = None
    slots: str = ""


class UnusableHookError(Exception):
    """A function is marked as a hook that it can't be."""


class LoadedBeforeError(UnusableHookError):
    """The same module is a plugin under another name."""


class Registry:
    """The plugins found by one host.

    :param hookspecs: the module that declares the hooks.
    :param built_in: modules of Mentee's own plugins.
    :param extra: plugins by name, registered last.
    :param discover: whether to load the plugins of installed packages, found by their entry points.
    """

    def __init__(
        self,
        hookspecs: ModuleType,
        built_in: Sequence[str] = BUILT_IN,
        extra: Mapping[str, Any] | None = None,
        *,
        discover: bool = True,
    ) -> None:
        self.loaded: dict[str, LoadedPlugin] = {}
        self._refusing: list[tuple[str, Implementation]] = []
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._hooks = dict(_declared(self._manager, hookspecs))
        for module in built_in:
            self._load(built_in_name(module), "built in", partial(_import_built_in, module), module)
        for point in entry_points(group=hookspecs.GROUP) if discover else ():
            self._load_entry_point(point)
        for name, plugin in (extra or {}).items():
            self._load(name, "given", partial(_given, plugin), plugin)
        self._implementations = {hook: self._found(hook) for hook in self._hooks}

    def implementations(self, hook: str) -> Sequence[Implementation]:
        """Return what implements the hook, the plugin registered last first."""
        return self._implementations[hook]

    def arguments(self, hook: str) -> list[str]:
        """Return the names of what a hook is given, sorted, without what every hook can have; none for a job."""
        return sorted(set(self._hooks.get(hook, ())) - {"department", "settings", "context"})

    def hooks_of(self, plugin: str) -> list[str]:
        """Return the names of the hooks that a plugin implements."""
        return sorted(
            hook for hook, found in self._implementations.items() if plugin in {each.plugin for each in found}
        )

    def _found(self, hook: str) -> tuple[Implementation, ...]:
        found: list[pluggy.HookImpl] = getattr(self._manager.hook, hook).get_hookimpls()
        return (
            *(refuse for of_hook, refuse in self._refusing if of_hook == hook),
            *(Implementation(each.plugin_name, each.function, _parameters(each)) for each in reversed(found)),
        )

    def _load_entry_point(self, point: EntryPoint) -> None:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        self._load(point.name, origin, point.load, point.module, point.dist.version if point.dist else "")

    def _load(self, name: str, origin: str, load: Callable[[], Any], source: Any, plugin_version: str = "") -> None:
        shown = plugin_version or _own_version()
        namesake = next((each for each in self.loaded.values() if section_name(each.name) == section_name(name)), None)
        if namesake is not None:
            problem = f"the plugin {namesake.name!r} ({namesake.origin}) has this name"
            self._leave_out(LoadedPlugin(f"{name} from {origin}", shown, origin, problem), source)
            return
        try:
            plugin = _in_time(load)
            self._check(plugin)
            self._manager.register(plugin, name=name)
        except NotInstalledError as error:
            self.loaded[name] = LoadedPlugin(name, shown, origin, f"not installed: {error.install}", installed=False)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plugin never keeps the bot from starting
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            problem, trace = _told(error)
            runs = isinstance(error, LoadedBeforeError)
            self._leave_out(LoadedPlugin(name, shown, origin, problem, traceback=trace), None if runs else source)
        else:
            opt_in = getattr(plugin, "OPT_IN", False) is True
            warning = "; ".join(self._doubts(plugin, name))
            self.loaded[name] = LoadedPlugin(name, shown, origin, opt_in=opt_in, about=_about(plugin), warning=warning)

    def _leave_out(self, plugin: LoadedPlugin, source: Any) -> None:
        """Note a plugin that did not load. If it is a guard, what it should check is refused."""
        found = unloaded(source, GUARD_HOOKS)
        if found.guards:
            refuse = Implementation(plugin.name, partial(_refuse, plugin.error), ())
            self._refusing += [(hook, refuse) for hook in found.guards]
            said = f"{plugin.error}; it is a guard, so what it should check is refused while it is enabled"
            plugin = replace(plugin, error=said, opt_in=found.opt_in)
        _report(plugin.name, plugin.origin, plugin.error)
        self.loaded[plugin.name] = plugin

    def _check(self, plugin: Any) -> None:
        """Make sure that each function that is marked is a hook and takes what the hook gives.

        pluggy checks this, too, but describes it in terms of its own and without file and line.
        """
        if namesake := self._manager.get_name(plugin):
            raise LoadedBeforeError(f"it is the same module as the plugin {namesake!r}")
        for attribute in dir(plugin):
            options = self._manager.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                continue
            function, hook = getattr(plugin, attribute), options["specname"] or attribute
            if hook in self._hooks:
                given = _parameters(pluggy.HookImpl(plugin, "", function, options))
                _check_parameters(hook, function, given, self._hooks[hook])
            elif not options["optionalhook"]:
                problem = f"there is no hook {hook!r}.{did_you_mean(hook, self._hooks)}"
                raise UnusableHookError(f"{problem} ({_place(function)})")

    def _doubts(self, plugin: Any, name: str) -> Iterator[str]:
        """Yield what is allowed but probably a mistake: hooks that aren't called, or none at all."""
        for hook in self._hooks:
            function = getattr(plugin, hook, None)
            if not inspect.isroutine(function) or self._manager.parse_hookimpl_opts(plugin, hook) is not None:
                continue
            if inspect.ismodule(plugin) and function.__module__ != plugin.__name__:
                continue  # something imported that has the name of a hook
            marks = [key.removesuffix("_impl") for key, value in _marks(function) if isinstance(value, dict)]
            wrong = f"is marked as a hook of {marks[0]}, not of Mentee" if marks else "isn't marked as a hook"
            yield f"{hook} {wrong}, so it is never called: mark it with bot.hookimpl ({_place(function)})"
        if not self._manager.get_hookcallers(self._manager.get_plugin(name)):
            yield "it has no hooks"


@cache
def _own_version() -> str:
    return version("mentee")  # parses a file each time, and a host has twenty plugins


@cache
def _report(name: str, origin: str, problem: str) -> None:
    """Log why a plugin did not load: once, although a command makes a host for itself and one for its instance."""
    log.error("plugin_not_loaded", plugin=name, origin=origin, problem=problem)


def _declared(manager: pluggy.PluginManager, hookspecs: ModuleType) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each hook with its parameters."""
    for name in dir(hookspecs):
        if manager.parse_hookspec_opts(hookspecs, name) is not None:
            yield name, getattr(manager.hook, name).spec.argnames


def _parameters(found: pluggy.HookImpl) -> tuple[str, ...]:
    """Return the parameters of an implementation, those with a default, too: Mentee fills all of them."""
    return (*found.argnames, *found.kwargnames)


def _check_parameters(hook: str, function: Callable[..., Any], given: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [each for each in given if each not in known]:
        names = f"parameter{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
        has = f"It has {', '.join(known)}." if known else "It has none."
        raise UnusableHookError(f"the hook {hook!r} has no {names}. {has} ({_place(function)})")
    try:
        every = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return  # it isn't written in Python
    if named := [each.name for each in every if each.kind is each.KEYWORD_ONLY]:
        raise UnusableHookError(
            f"the hook {hook!r} takes {', '.join(map(repr, named))} by keyword only, so Mentee can't fill it. "
            f"Remove the * before it. ({_place(function)})"
        )


def _marks(function: Any) -> list[tuple[str, Any]]:
    """Return what pluggy's markers, of any project, left at a function."""
    return [(key, value) for key, value in getattr(function, "__dict__", {}).items() if key.endswith("_impl")]


def _place(function: Any) -> str:
    """Return file and line of a function's definition, or its name if it isn't written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}" if code else repr(function)


def _told(error: BaseException) -> tuple[str, str]:
    """Return an error in one line with its place, and its traceback without what loads plugins."""
    if isinstance(error, UnusableHookError):
        return str(error), ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = ""  # its text ends with its own
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return f"{type(error).__name__}: {error}{place}", "".join(lines).strip()


def _in_time(load: Callable[[], Any]) -> Any:
    """Return what ``load`` returns or raise what it raises. It runs in a thread, which is left behind if it hangs.

    :raises TimeoutError: it took longer than :data:`IMPORT_SECONDS`.
    """
    loaded: Future[Any] = Future()

    def run() -> None:
        try:
            loaded.set_result(load())
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; it is raised to the caller
            loaded.set_exception(error)

    threading.Thread(target=run, name="import of a plugin", daemon=True).start()
    if not wait([loaded], IMPORT_SECONDS).done:
        raise TimeoutError(f"its import took longer than {IMPORT_SECONDS:g} s")
    return loaded.result()


def _about(plugin: Any) -> str:
    text = plugin.__doc__ if isinstance(plugin.__doc__, str) else ""
    return text.strip().partition("\n")[0]


def _import_built_in(module: str) -> Any:
    if extra := NEEDS.get(module):
        require(extra, module)
    return import_module(module)


def _refuse(problem: str) -> NoReturn:
    raise NotCalledError(f"it did not load: {problem}")


def _given(plugin: Any) -> Any:
    return plugin


def built_in_name(module: str) -> str:
    """Return the name of a plugin of Mentee's own."""
    parts = module.removeprefix("plugins.").split(".")
    return "-".join(part for part in parts if part not in ("plugin", "guards", "scrubbers"))
