"""Which plugins are on, and with what settings, per department: switched live, with an audit row for each change.

Switches and settings follow one rule: the most specific wins. A department's come before the instance's, these before
``mentee.toml``, and that before what the plugin declares. State is read from the database at most once in
:data:`CACHE_SECONDS`, so a switch made in another process takes effect within that time. Settings are merged, validated
and their secrets read once for each such reading, because hooks ask for them at every call.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from bot.access.audit import note_change
from bot.config.references import as_references, placeholders, secret_fields, with_secrets
from bot.config.suggestions import unknown_names
from bot.domain.errors import InvalidSettingsError, SettingsError
from bot.domain.identifiers import now
from bot.hooks.calling.tracebacks import said
from bot.observability.redaction import remember_secret
from bot.storage.tables.access import PluginStateRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

CACHE_SECONDS = 1.0
FAILURE_WINDOW_SECONDS = 600.0
"""How long a plugin's failure counts."""

INSTANCE = ""
AS_JSON = dict.fromkeys(("list_type", "tuple_type", "set_type"), '["a", "b"]') | {"dict_type": '{"a": "b"}'}
"""How settings are written that aren't texts, by what pydantic says of them otherwise."""

PROBLEM_CHARS = 200

Scope = tuple[str, str]
"""A plugin and a department, :data:`INSTANCE` for the whole instance."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one reading of the database found, and what was made of it.

    These end together: what a slow thread makes of an earlier reading is never used with a later one.
    """

    rows: Mapping[Scope, PluginStateRow]
    enabled: dict[tuple[str, str | None], bool] = field(default_factory=dict)
    settings: dict[tuple[str, str | None, type[BaseModel]], BaseModel | None] = field(default_factory=dict)


class PluginStates:
    """The switches and settings of all plugins.

    :param configured: the ``[plugins]`` table of ``mentee.toml``.
    """

    def __init__(self, store: Store, configured: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._store = store
        self._configured = configured or {}
        self._reading = _Reading({})
        self._read_at = float("-inf")
        self._lock = threading.Lock()
        self.opt_in: frozenset[str] = frozenset()
        """Plugins that are off until somebody switches them on."""

    @property
    def configured(self) -> frozenset[str]:
        """Names of the plugins that ``mentee.toml`` configures."""
        return frozenset(self._configured)

    def enabled(self, plugin: str, department: str | None) -> bool:
        """Return whether the plugin acts for the department; without one, whether it acts anywhere."""
        reading = self._reading if time.monotonic() - self._read_at <= CACHE_SECONDS else self._latest()
        resolved, key = reading.enabled, (plugin, department)
        enabled = resolved.get(key)
        if enabled is None:
            enabled = self.decided(plugin, department or INSTANCE)[0]
            if department is None and not enabled:
                enabled = any(self.own(plugin, each) for each in self._departments(plugin))
            resolved[key] = enabled
        return enabled

    def known(self, plugin: str, department: str | None) -> bool | None:
        """Like :meth:`enabled`, without reading the database; ``None`` if that is needed. For the event loop."""
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            return None
        return self._reading.enabled.get((plugin, department))

    def decided(self, plugin: str, department: str) -> tuple[bool, str]:
        """Return whether a plugin is on, and what decides that.

        :param department: a department's name, or ``""`` for departments that have no switch of their own.
        """
        own = self.own(plugin, department)
        if own is not None:
            return own, f"department {department}" if department else "instance"
        return self.inherited(plugin, department)

    def inherited(self, plugin: str, department: str) -> tuple[bool, str]:
        """Like :meth:`decided`, as if the department, or with ``""`` the instance, had no switch of its own."""
        if department:
            return self.decided(plugin, INSTANCE)
        given = self._configured.get(plugin, {}).get("enabled")
        if given is not None:
            return bool(given), "mentee.toml"
        return plugin not in self.opt_in, "default"

    def switched_in(self, plugin: str) -> dict[str, bool]:
        """Return the departments that have a switch of their own, and how it is set."""
        return {each: bool(self.own(plugin, each)) for each in self._departments(plugin)}

    def settings(self, plugin: str, department: str | None, model: type[BaseModel] | None) -> BaseModel | None:
        """Return the plugin's settings for the department, or ``None`` when it declares no settings.

        All who ask get the same object, until it is :data:`CACHE_SECONDS` old or this process changes something.

        :raises SettingsError: a required setting has no value, a stored one no longer fits, or a secret can't be read.
        """
        if model is None:
            return None
        reading = self._reading if time.monotonic() - self._read_at <= CACHE_SECONDS else self._latest()
        resolved, key = reading.settings, (plugin, department, model)
        settings = resolved.get(key)
        if settings is None:
            layers = self.layers(plugin, department or INSTANCE)
            merged = {name: value for layer in layers.values() for name, value in layer.items()}
            settings = _validated(model, plugin, with_secrets(plugin, model, merged, remember_secret))
            resolved[key] = settings
        return settings

    def checked(self, plugin: str, department: str | None, model: type[BaseModel] | None) -> BaseModel | None:
        """Like :meth:`settings`, for whoever shows them. What the plugin's own code raises is an error like others.

        :raises SettingsError: they can't be used.
        """
        with _own_code(plugin):
            return self.settings(plugin, department, model)

    def layers(self, plugin: str, department: str) -> dict[str, Mapping[str, Any]]:
        """Return the settings that are set, by where: ``mentee.toml``, ``instance``, ``department``; the last wins."""
        toml = {key: value for key, value in self._configured.get(plugin, {}).items() if key != "enabled"}
        rows = {"instance": self._row(plugin, INSTANCE)}
        if department:
            rows["department"] = self._row(plugin, department)
        return {"mentee.toml": toml, **{name: row.settings for name, row in rows.items() if row}}

    def unknown(self, plugin: str, model: type[BaseModel]) -> list[str]:
        """Return what is set, in ``mentee.toml`` or the database, that the plugin does not have. It has no effect."""
        rows = [row for row in self._read().values() if row.plugin == plugin]
        toml = {key: value for key, value in self._configured.get(plugin, {}).items() if key != "enabled"}
        given = {"mentee.toml": toml, **{_place(row): row.settings for row in rows}}
        return [
            f"Plugin {plugin!r} has no setting {name!r}, which is set in {where}.{likely}"
            for where, values in given.items()
            for name, likely in unknown_names(model, values)
        ]

    def switch(self, plugin: str, department: str, *, enabled: bool | None, actor: str, reason: str = "") -> None:
        """Switch a plugin on or off for a department, or (``department=""``) where no department has its own switch.

        :param enabled: ``None`` removes the switch: the department or instance inherits again.
        """
        with self._store.write() as session:
            row = _row_of(session, plugin, department)
            row.enabled, row.reason, row.changed_at = enabled, reason, now()
            action = {True: "plugin.enable", False: "plugin.disable", None: "plugin.reset"}[enabled]
            detail = {"department": department, "reason": reason}
            note_change(session, actor=actor, action=action, subject=plugin, detail=detail)
        self._forget()

    def switch_everywhere(self, plugin: str, *, enabled: bool, actor: str, reason: str = "") -> None:
        """Switch a plugin on or off for the instance, and remove the switches of all departments."""
        with self._store.write() as session:
            for row in session.query(PluginStateRow).filter_by(plugin=plugin):
                row.enabled = None
            row = _row_of(session, plugin, INSTANCE)
            row.enabled, row.reason, row.changed_at = enabled, reason, now()
            action = "plugin.enable" if enabled else "plugin.disable"
            detail = {"department": "", "everywhere": True, "reason": reason}
            note_change(session, actor=actor, action=action, subject=plugin, detail=detail)
        self._forget()

    def configure(  # noqa: PLR0913 - what changes, where, and by whom
        self,
        plugin: str,
        department: str,
        values: Mapping[str, Any],
        *,
        actor: str,
        model: type[BaseModel] | None,
        unset: Sequence[str] = (),
    ) -> None:
        """Set settings of a plugin for a department, or (``department=""``) for the whole instance.

        What counts are the settings as they would be in force. A required setting may still have no value.

        :param unset: settings that shall follow the instance, ``mentee.toml`` or the default again.
        :raises SettingsError: the plugin has no settings; nothing is changed then.
        :raises InvalidSettingsError: it has no such settings, or values don't fit; nothing is changed then.
        """
        if model is None:
            raise SettingsError(
                f"Plugin {plugin!r} has no settings.", hint="Run `mentee plugins list` to see which plugins do."
            )
        _check_names(plugin, model, values)
        given, refused = _as_references(plugin, model, values)
        with self._store.write() as session:
            row = _row_of(session, plugin, department)
            _check_names(plugin, model, dict.fromkeys(key for key in unset if key not in row.settings))
            row.settings = {key: value for key, value in {**row.settings, **given}.items() if key not in unset}
            row.changed_at = now()
            try:
                self._check_merged(session, plugin, department, model)
            except InvalidSettingsError as error:
                refused.append(error)
            if refused:
                problems = {name: problem for each in reversed(refused) for name, problem in each.problems.items()}
                raise InvalidSettingsError(refused[0].text, hint=refused[0].hint, problems=problems)
            detail = {"department": department, "settings": sorted([*values, *unset])}
            note_change(session, actor=actor, action="plugin.configure", subject=plugin, detail=detail)
        self._forget()

    def _check_merged(self, session: Session, plugin: str, department: str, model: type[BaseModel]) -> None:
        """Check the settings of each department that the change reaches."""
        toml = {key: value for key, value in self._configured.get(plugin, {}).items() if key != "enabled"}
        rows = {row.department: row.settings for row in session.query(PluginStateRow).filter_by(plugin=plugin)}
        reached = [department] if department else ["", *(each for each in rows if each)]
        for each in reached:
            merged = {**toml, **rows.get("", {}), **rows.get(each, {})}
            where = f" in {each}" if each and not department else ""
            with _own_code(plugin):
                _validated(model, plugin, placeholders(model, merged), partial=True, where=where)

    def own(self, plugin: str, department: str) -> bool | None:
        """Return the switch of a department, or with ``""`` of the instance; ``None`` if it has none of its own."""
        row = self._row(plugin, department)
        return row.enabled if row is not None else None

    def _departments(self, plugin: str) -> list[str]:
        """Return the departments in which somebody switched the plugin on or off."""
        rows = [row for row in self._read().values() if row.plugin == plugin]
        found = [row.department for row in rows if row.enabled is not None]
        return sorted(each for each in found if each)

    def reason(self, plugin: str, department: str = INSTANCE) -> str:
        """Return why the plugin was last switched, or an empty text."""
        row = self._row(plugin, department)
        return row.reason if row else ""

    def note_problem(self, plugin: str, problem: str, *, seconds: float = 0.0) -> None:
        """Note that a plugin that stays on fails, or with an empty text that it no longer does.

        :param seconds: how long it will go on; it is shown for ten minutes more.
        """
        with self._store.write() as session:
            row = session.get(PluginStateRow, (plugin, INSTANCE)) or PluginStateRow(
                plugin=plugin, department=INSTANCE, settings={}
            )
            row.problem, row.failed_at = problem[:PROBLEM_CHARS], now() + timedelta(seconds=seconds)
            session.add(row)
        self._forget()

    def problem(self, plugin: str) -> str:
        """Return how a plugin that is on failed in the last ten minutes, in any process; empty when it did not."""
        row = self._row(plugin, INSTANCE)
        if row is None or row.failed_at is None or not self.enabled(plugin, None):
            return ""
        return row.problem if (now() - row.failed_at).total_seconds() < FAILURE_WINDOW_SECONDS else ""

    def _row(self, plugin: str, department: str) -> PluginStateRow | None:
        return self._read().get((plugin, department))

    def _read(self) -> Mapping[Scope, PluginStateRow]:
        """Return the rows as the database had them, at most :data:`CACHE_SECONDS` ago."""
        return self._latest().rows

    def _latest(self) -> _Reading:
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            with self._lock:
                if time.monotonic() - self._read_at > CACHE_SECONDS:
                    with self._store.read() as session:
                        rows = {(row.plugin, row.department): row for row in session.query(PluginStateRow)}
                    self._reading = _Reading(rows)
                    self._read_at = time.monotonic()
        return self._reading

    def _forget(self) -> None:
        with self._lock:
            self._read_at = float("-inf")


def _place(row: PluginStateRow) -> str:
    return f"department {row.department}" if row.department else "the instance"


def _row_of(session: Session, plugin: str, department: str) -> PluginStateRow:
    """Lock and return the row of a plugin in a scope, which is added if there is none."""
    row = session.get(PluginStateRow, (plugin, department), with_for_update=True)
    if row is None:
        row = PluginStateRow(plugin=plugin, department=department, settings={})
        session.add(row)
        session.flush()
    return row


def _check_names(plugin: str, model: type[BaseModel], values: Mapping[str, Any]) -> None:
    for name, likely in unknown_names(model, values):
        raise InvalidSettingsError(
            f"Plugin {plugin!r} has no setting {name!r}.{likely}",
            hint=f"Its settings are: {', '.join(model.model_fields) or 'none'}.",
            problems={name: f"There is no such setting.{likely}"},
        )


def _as_references(
    plugin: str, model: type[BaseModel], values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[InvalidSettingsError]]:
    """Return settings as they are stored, and what is wrong with those that are secrets written out."""
    given: dict[str, Any] = {}
    refused = []
    for name, value in values.items():
        try:
            given |= as_references(plugin, model, {name: value})
        except InvalidSettingsError as error:
            refused.append(error)
    return given, refused


@contextmanager
def _own_code(plugin: str) -> Iterator[None]:
    """Run a model's defaults and validators, which are the plugin's code and may raise anything."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        raised = f"its model raised {said(error)}"
        raise InvalidSettingsError(
            f"Settings of plugin {plugin!r} can't be used: {raised}.",
            hint="Its author has to fix this.",
            problems={"": raised},
        ) from error


def _validated(
    model: type[BaseModel], plugin: str, values: Mapping[str, Any], *, partial: bool = False, where: str = ""
) -> BaseModel | None:
    """Return the settings.

    :param partial: whether values may be missing; ``None`` is returned then.
    :raises InvalidSettingsError: some don't fit; its text names the first.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = [each for each in error.errors() if not (partial and each["type"] == "missing")]
    if not found:
        return None
    problems: dict[str, str] = {}
    for each in found:
        name, *inside = [str(part) for part in each["loc"]] or [""]
        problem = "has no value" if each["type"] == "missing" and not inside else each["msg"]
        problems.setdefault(name, f"{'.'.join(inside)}: {problem}" if inside else problem)
    raise InvalidSettingsError(**_first(model, plugin, found[0], where), problems=problems)


def _first(model: type[BaseModel], plugin: str, found: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return the text and hint for what pydantic found first."""
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] == "missing":
        hint = f"Run `mentee plugins configure {plugin} {key}=VALUE`."
        return {"text": f"Setting {key!r} of plugin {plugin!r} has no value.", "hint": hint}
    if found["type"] in AS_JSON:
        hint = f"Write it as JSON, such as {key}='{AS_JSON[found['type']]}'."
    else:
        hint = f"Its settings are: {', '.join(model.model_fields)}."
    top = str(found["loc"][0]) if found["loc"] else ""  # without a place, what was found are all settings
    shown = "" if not top or top in secret_fields(model) else f" (found {found.get('input')!r})"
    named = f"Setting {key!r}" if key else "Settings"
    return {
        "text": f"{named} of plugin {plugin!r}{where}: {found['msg']}{shown}.",
        "hint": hint,
    }
