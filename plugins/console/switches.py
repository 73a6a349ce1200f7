"""Plugins in the console: their switches, and forms for their settings. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.errors import ForbiddenError, InvalidSettingsError, NotFoundError, SettingsError
from bot.hooks.operators.consequences import consequences, made_at_start
from plugins.console import forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.access.departments import Departments
    from bot.domain.people import Person
    from bot.hooks.calling.record import RecordedFailure
    from bot.hooks.host import PluginHost
    from bot.hooks.registry import LoadedPlugin

NEEDED = {
    "console": "without it, nobody can open this page to switch it on again",
    "web": "without it, nobody can sign in to the console or ask in the browser",
}
"""Plugins that the console doesn't switch off, and why."""


@dataclass(frozen=True, slots=True)
class PluginView:
    """A plugin in a scope: a department, or the whole instance.

    :param error: why it did not load.
    :param installed: ``False`` for one of Mentee's own that needs an extra, which there is no need to switch off.
    :param decided_by: what decides whether it is on.
    :param inherits: what decides that, and how, once the scope's own switch is reset; empty if it has none.
    :param needed: why the console doesn't switch it off; empty if it does.
    :param fields: empty when it has no settings.
    :param refused: whether ``fields`` are of a form that was refused.
    :param restart: what follows its settings only after a restart.
    :param failure: how it failed last, in any process; ``None`` if no failure is kept.
    """

    name: str
    about: str
    version: str
    origin: str
    error: str
    installed: bool
    enabled: bool
    decided_by: str
    inherits: str
    reason: str
    problem: str
    warning: str
    needed: str
    fields: Sequence[forms.Field]
    restart: Sequence[str]
    failure: RecordedFailure | None
    refused: bool = False


class RefusedFormError(Exception):
    """A form with settings was refused; nothing is changed.

    :param fields: the form as it was sent, with what is wrong at each field.
    :param problem: what is wrong with no field.
    """

    def __init__(self, plugin: str, fields: Sequence[forms.Field], problem: str) -> None:
        super().__init__(problem)
        self.plugin = plugin
        self.fields = fields
        self.problem = problem


class Switches:
    """Shows and changes the state of plugins.

    A scope is a department's name, or ``""`` for the whole instance.
    """

    def __init__(self, plugins: PluginHost, departments: Departments) -> None:
        self._plugins = plugins
        self._departments = departments

    def views(self, scope: str, refused: RefusedFormError | None = None) -> list[PluginView]:
        """Return all plugins as they are in a scope, one with the form that was refused.

        :raises NotFoundError: there is no such department.
        """
        if scope:
            self._departments.get(scope)
        failed = self._plugins.last_recorded()
        return [self._view(each, scope, refused, failed.get(name)) for name, each in self._plugins.loaded.items()]

    def _view(
        self, plugin: LoadedPlugin, scope: str, refused: RefusedFormError | None, failure: RecordedFailure | None
    ) -> PluginView:
        states, name = self._plugins.states, plugin.name
        enabled, decided_by = states.decided(name, scope)
        fields, problem = ((), "") if plugin.error else self._form(name, scope)
        of_this = refused is not None and refused.plugin == name
        if refused is not None and of_this:
            fields, problem = refused.fields, refused.problem
        return PluginView(
            name,
            plugin.about,
            plugin.version,
            plugin.origin,
            plugin.error,
            plugin.installed,
            enabled if scope else states.enabled(name, None),
            decided_by,
            self._inherits(name, scope),
            states.reason(name, scope) or states.reason(name),
            problem or self._problem(name),
            plugin.warning,
            NEEDED.get(name, ""),
            fields,
            () if plugin.error else made_at_start(self._plugins, name),
            failure,
            of_this,
        )

    def _inherits(self, plugin: str, scope: str) -> str:
        states = self._plugins.states
        if states.own(plugin, scope) is None:
            return ""
        enabled, decided_by = states.inherited(plugin, scope)
        where = {"instance": "the instance", "default": "the default"}.get(decided_by, decided_by)
        return f"{where}: {'on' if enabled else 'off'}"

    def _problem(self, plugin: str) -> str:
        """Return how a plugin that is on fails, and what that means for answers."""
        problem = self._plugins.states.problem(plugin)
        if problem and self._plugins.is_guard(plugin):
            return f"Failing, so what it should check is refused: {problem}"
        return problem

    def consequences(self, plugin: str, scope: str, *, enabled: bool | None) -> list[str]:
        """Return what follows when a plugin is switched, a sentence each; nothing if it stays or goes on.

        :param enabled: see :meth:`switch`.
        :raises NotFoundError: there is no such plugin or department.
        """
        self._require(plugin, scope)
        if self._will_be_on(plugin, scope, enabled=enabled) or not self._plugins.states.enabled(plugin, scope or None):
            return []
        return consequences(self._plugins, plugin, scope, self._departments.names())

    def switch(self, plugin: str, scope: str, *, enabled: bool | None, person: Person) -> bool | None:
        """Switch a plugin on or off, or with ``None`` let the scope inherit again. Return its switch before.

        :raises NotFoundError: there is no such plugin or department.
        :raises ForbiddenError: it would take the console away.
        """
        self._require(plugin, scope)
        if plugin in NEEDED and not self._will_be_on(plugin, scope, enabled=enabled):
            raise ForbiddenError(
                f"The console can't switch off the plugin {plugin!r}: {NEEDED[plugin]}.",
                hint=f"If that is what you want, run `mentee plugins disable {plugin}` on the server.",
            )
        states = self._plugins.states
        before = states.own(plugin, scope)
        states.switch(plugin, scope, enabled=enabled, actor=person.id)
        return before

    def _will_be_on(self, plugin: str, scope: str, *, enabled: bool | None) -> bool:
        return self._plugins.states.inherited(plugin, scope)[0] if enabled is None else enabled

    def configure(self, plugin: str, scope: str, given: Mapping[str, Sequence[str]], *, person: Person) -> bool:
        """Set a plugin's settings from a form that was filled in. Return whether it changes any.

        :raises NotFoundError: there is no such plugin or department.
        :raises SettingsError: the plugin has no settings.
        :raises RefusedFormError: a value can't be used.
        """
        self._require(plugin, scope)
        sent = forms.read(self._form(plugin, scope)[0], given)
        try:
            self._apply(plugin, scope, sent, person)
        except InvalidSettingsError as error:
            fields = forms.with_problems(sent.fields, error.problems)
            elsewhere = "" if any(field.error for field in fields) else f"{error.text} {error.hint}".strip()
            raise RefusedFormError(plugin, fields, elsewhere) from None
        return bool(sent.values or sent.unset)

    def _apply(self, plugin: str, scope: str, sent: forms.Sent, person: Person) -> None:
        if sent.problems:
            raise InvalidSettingsError("Some values can't be read.", problems=sent.problems)
        model = self._plugins.register_settings(plugin)
        if sent.values or sent.unset or model is None:
            states = self._plugins.states
            states.configure(plugin, scope, sent.values, actor=person.id, model=model, unset=sent.unset)

    def _form(self, plugin: str, scope: str) -> tuple[Sequence[forms.Field], str]:
        """Return the fields of a plugin's form, and why the plugin can't work with its settings."""
        states, model = self._plugins.states, self._plugins.register_settings(plugin)
        if model is None:
            return (), ""
        problem, problems = "", dict[str, str]()
        try:
            states.checked(plugin, scope or None, model)
        except SettingsError as error:  # such as a required setting without a value
            problem = f"It can't work: {error.text} {error.hint}"
            problems = dict(error.problems) if isinstance(error, InvalidSettingsError) else {}
        try:
            layers = states.layers(plugin, scope)
            return forms.draw(model, layers, "department" if scope else "instance", problems), problem
        except Exception as error:  # noqa: BLE001 - a model's own code may do anything; the page shows the others
            return (), f"Its settings can't be shown: {type(error).__name__}: {error}"

    def _require(self, plugin: str, scope: str) -> None:
        if scope:
            self._departments.get(scope)
        if plugin not in self._plugins.loaded:
            raise NotFoundError(f"There is no plugin {plugin[:60]!r}.", hint="Reload the page.")
