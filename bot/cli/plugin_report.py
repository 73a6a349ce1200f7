"""What ``mentee plugins`` tells about plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from bot.cli.output import console
from bot.cli.plugin_jobs import jobs, print_jobs
from bot.cli.plugin_parts import failures, parts, pauses, print_health, print_parts
from bot.config.references import hidden
from bot.config.suggestions import did_you_mean
from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from bot.app import Mentee
    from bot.hooks.host import PluginHost
    from bot.hooks.registry import LoadedPlugin

BRINGS = {
    "register_engine": "the engine",
    "register_retriever": "the retriever",
    "register_adapter_registry": "the registry of adapters",
}


def overview(plugins: PluginHost, department: str | None) -> Iterator[dict[str, Any]]:
    """Yield a row for each plugin: its state and settings, for a department or the instance."""
    for plugin in plugins.loaded.values():
        settings, problem = _settings(plugins, plugin, department)
        on = plugins.states.enabled(plugin.name, department)
        row = {"name": plugin.name, "version": plugin.version, "origin": plugin.origin}
        state = _state(plugins, plugin, department, problem)
        yield {**row, "state": state, "enabled": on and not plugin.error, "settings": settings}


def details(mentee: Mentee, name: str, department: str) -> dict[str, Any]:
    """Return all that is known of one plugin, for a department or (``""``) the instance."""
    plugins = mentee.plugins
    brought, doing = parts(mentee, name), jobs(mentee, name)  # first: what fails here is told below
    plugin = plugins.loaded[name]
    on, decided_by = plugins.states.decided(name, department)
    _, problem = _settings(plugins, plugin, department or None)
    hooks = plugins.hooks_of(name)
    return {
        "name": name,
        "about": plugin.about,
        "version": plugin.version,
        "origin": plugin.origin,
        "state": _state(plugins, plugin, department or None, problem),
        "enabled": on and not plugin.error,
        "decided_by": decided_by,
        "departments": plugins.states.switched_in(name),
        "hooks": hooks,
        "hook_seconds": plugins.limits.usual(name),
        "brings": [part for hook, part in BRINGS.items() if hook in hooks],
        "settings": _origins(plugins, name, department),
        "problem": plugin.error
        or problem
        or plugins.problems.get(name, "")
        or plugins.states.problem(name)
        or plugin.warning,
        "traceback": plugin.traceback,
        "parts": brought,
        "jobs": doing,
        "paused": pauses(plugins, name),
        "failures": failures(plugins, name),
    }


def print_details(found: Mapping[str, Any]) -> None:
    """Print what :func:`details` returned."""
    console.print(f"[bold]{escape(found['name'])}[/] {found['version']} ({escape(found['origin'])})")
    if found["about"]:
        console.print(escape(found["about"]))
    console.print(f"State: {escape(found['state'])}. Decided by: {found['decided_by']}.")
    for department, on in found["departments"].items():
        console.print(f"  {department}: {'on' if on else 'off'}")
    console.print(f"Hooks: {', '.join(found['hooks']) or 'none'}")
    console.print(f"Time limit of a hook: {found['hook_seconds']:g} s")
    if found["brings"]:
        console.print(f"Brings {' and '.join(found['brings'])}.")
    if found["settings"]:
        table = Table("Setting", "Value", "From")
        for each in found["settings"]:
            table.add_row(each["name"], escape(each["value"]), each["origin"])
        console.print(table)
    print_parts(found["parts"])
    print_jobs(found["jobs"])
    if found["problem"]:
        console.print(f"Problem: {escape(found['problem'])}")
    if found["traceback"]:
        console.print(escape(found["traceback"]))
    print_health(found["paused"], found["failures"])


def misspelt_plugins(plugins: PluginHost) -> Iterator[str]:
    """Yield the tables of ``mentee.toml`` that configure plugins which aren't installed."""
    for name in sorted(plugins.states.configured - plugins.loaded.keys()):
        yield f"mentee.toml configures the plugin {name!r}, which isn't installed.{did_you_mean(name, plugins.loaded)}"


def unusable_settings(plugins: PluginHost) -> Iterator[str]:
    """Yield what is wrong with the settings of each plugin that is on and can't work with them."""
    for plugin in plugins.loaded.values():
        if plugins.states.enabled(plugin.name, None):
            _, problem = _settings(plugins, plugin, None)
            if problem:
                yield problem
            model = None if plugin.error else plugins.register_settings(plugin.name)
            yield from plugins.states.unknown(plugin.name, model) if model else ()


def _state(plugins: PluginHost, plugin: LoadedPlugin, department: str | None, problem: str) -> str:
    states = plugins.states
    if plugin.error:
        off = "" if states.enabled(plugin.name, department) else "off, "
        return f"{off}not loaded: {plugin.error}" if plugin.installed else plugin.error
    on_in = [name for name, on in states.switched_in(plugin.name).items() if on]
    if department is None and on_in and not states.decided(plugin.name, "")[0]:
        return f"on for {', '.join(on_in)} only"
    if not states.enabled(plugin.name, department):
        reason = states.reason(plugin.name, department or "") or states.reason(plugin.name)
        return f"off {reason}".strip()
    doubt = f"can't work: {problem}" if problem else _failing(plugins, plugin.name) or plugin.warning
    return f"on, but {doubt}" if doubt else "on"


def _failing(plugins: PluginHost, name: str) -> str:
    if failing := plugins.states.problem(name):
        refused = "failing, so what it should check is refused: " if plugins.is_guard(name) else ""
        return f"{refused}{failing}"
    failing = plugins.problems.get(name, "")
    return f"failing: {failing}" if failing else ""


def _settings(plugins: PluginHost, plugin: LoadedPlugin, department: str | None) -> tuple[list[str], str]:
    """Return the settings in force, and what is wrong with them."""
    model = None if plugin.error else plugins.register_settings(plugin.name)
    try:
        settings = plugins.states.checked(plugin.name, department, model)
    except SettingsError as error:
        return [], error.text
    return [f"{key}={value}" for key, value in settings.model_dump().items()] if settings else [], ""


def _origins(plugins: PluginHost, name: str, department: str) -> list[dict[str, str]]:
    """Return each setting with its value and where it comes from. Secrets are shown by their reference."""
    model = None if plugins.loaded[name].error else plugins.register_settings(name)
    if model is None:
        return []
    layers = plugins.states.layers(name, department)
    return [_setting(key, model, layers) for key in model.model_fields]


def _default(field: FieldInfo) -> str:
    try:
        return str(field.get_default(call_default_factory=True))
    except Exception as error:  # noqa: BLE001 - it is the plugin's code
        return f"{type(error).__name__}: {error}"


def _setting(key: str, model: type[BaseModel], layers: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    origin = next((layer for layer in reversed([*layers]) if key in layers[layer]), "default")
    if origin != "default":
        value = hidden(model, layers[origin])[key]
        return {"name": key, "value": str(value), "origin": origin}
    field = model.model_fields[key]
    value = "no value" if field.is_required() else _default(field)
    return {"name": key, "value": value, "origin": origin}
