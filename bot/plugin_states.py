"""Which plugins are on, and with what settings, per department: switched live, with an audit row for each change.

Settings resolve department → instance → ``mentee.toml`` → the plugin's defaults. State is read from the database at
most once in :data:`CACHE_SECONDS`, so a switch made in another process takes effect within that time.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from bot.errors import SettingsError
from bot.messages import now
from bot.store.models import AuditRow, PluginStateRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.store import Store

CACHE_SECONDS = 1.0
INSTANCE = ""


class PluginStates:
    """The switches and settings of all plugins.

    :param configured: the ``[plugins]`` table of ``mentee.toml``.
    """

    def __init__(self, store: Store, configured: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._store = store
        self._configured = configured or {}
        self._rows: dict[tuple[str, str], PluginStateRow] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def enabled(self, plugin: str, department: str | None) -> bool:
        """Return whether the plugin acts for the department. A plugin is on until somebody switches it off.

        Off for the instance wins over everything, so that a failing plugin is silenced everywhere at once.
        """
        instance = self._row(plugin, INSTANCE)
        if instance is not None and instance.enabled is False:
            return False
        own = self._row(plugin, department) if department else None
        if own is not None and own.enabled is not None:
            return own.enabled
        default: bool = self._configured.get(plugin, {}).get("enabled", True)
        return default or department is None

    def settings(self, plugin: str, department: str | None, model: type[BaseModel] | None) -> BaseModel | None:
        """Return the plugin's settings for the department, or ``None`` when it declares no settings.

        :raises SettingsError: a stored value no longer fits the plugin's model.
        """
        if model is None:
            return None
        merged = {key: value for key, value in self._configured.get(plugin, {}).items() if key != "enabled"}
        for scope in (INSTANCE, department or INSTANCE):
            row = self._row(plugin, scope)
            merged |= row.settings if row else {}
        return _validated(model, plugin, merged)

    def switch(self, plugin: str, department: str, *, enabled: bool, actor: str, reason: str = "") -> None:
        """Switch a plugin on or off for a department, or (``department=""``) for the whole instance."""
        with self._store.write() as session:
            row = session.get(PluginStateRow, (plugin, department)) or PluginStateRow(
                plugin=plugin, department=department, settings={}
            )
            row.enabled, row.reason, row.changed_at = enabled, reason, now()
            session.add(row)
            action = "plugin.enable" if enabled else "plugin.disable"
            detail = {"department": department, "reason": reason}
            session.add(AuditRow(actor=actor, action=action, subject=plugin, detail=detail))
        self._forget()

    def configure(
        self, plugin: str, department: str, values: Mapping[str, Any], *, actor: str, model: type[BaseModel] | None
    ) -> None:
        """Set settings of a plugin for a department, or (``department=""``) for the whole instance.

        :raises SettingsError: the plugin has no settings, or a value does not fit; nothing is changed then.
        """
        if model is None:
            raise SettingsError(f"Plugin {plugin!r} has no settings.", hint="`mentee plugins list` shows which have.")
        with self._store.write() as session:
            row = session.get(PluginStateRow, (plugin, department)) or PluginStateRow(
                plugin=plugin, department=department, settings={}
            )
            row.settings = {**row.settings, **values}
            row.changed_at = now()
            _validated(model, plugin, row.settings)
            session.add(row)
            detail = {"department": department, "settings": sorted(values)}
            session.add(AuditRow(actor=actor, action="plugin.configure", subject=plugin, detail=detail))
        self._forget()

    def reason(self, plugin: str, department: str = INSTANCE) -> str:
        """Return why the plugin was last switched, or an empty text."""
        row = self._row(plugin, department)
        return row.reason if row else ""

    def _row(self, plugin: str, department: str) -> PluginStateRow | None:
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                with self._store.read() as session:
                    self._rows = {(row.plugin, row.department): row for row in session.query(PluginStateRow)}
                self._read_at = time.monotonic()
            return self._rows.get((plugin, department))

    def _forget(self) -> None:
        with self._lock:
            self._read_at = float("-inf")


def _validated(model: type[BaseModel], plugin: str, values: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(model.model_fields)
        raise SettingsError(
            f"Setting {key!r} of plugin {plugin!r}: {first['msg']} (found {first.get('input')!r}).",
            hint=f"Its settings are: {known}.",
        ) from None
