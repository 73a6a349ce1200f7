"""What follows when a plugin is switched off, to say it before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.hooks.host import PluginHost

AT_START = {
    "register_engine": "engine",
    "register_retriever": "retriever",
    "register_adapter_registry": "registry of adapters",
    "register_routes": "routes",
}
"""What a plugin brings once, when a process starts, by hook."""

REPLACED = ("register_engine", "register_retriever", "register_adapter_registry")
"""Of these, what a running process goes on using until it is restarted."""

WITHOUT = {
    "register_channels": "Its channels stop within seconds: questions there get no answer, and messages aren't sent.",
    "register_services": "Its background work stops within seconds.",
    "register_jobs": "Its jobs no longer run.",
    "register_routes": "Its pages and addresses answer 404 at once.",
    "register_sources": "Documents from its sources are no longer synced.",
    "register_parsers": "Documents of its file types can't be read any more.",
}
"""What is missing without the plugin, by the hook that brings it."""


def made_at_start(plugins: PluginHost, plugin: str) -> list[str]:
    """Return what a plugin brings that follows its switch and settings only after a restart."""
    hooks = plugins.hooks_of(plugin)
    return [part for hook, part in AT_START.items() if hook in hooks]


def consequences(
    plugins: PluginHost, plugin: str, scope: str, departments: Sequence[str], *, everywhere: bool = False
) -> list[str]:
    """Return what follows when a plugin is switched off, a sentence each. Empty if nobody needs to be asked first.

    :param scope: the department for which it is switched off, or ``""`` for the instance.
    :param departments: all departments.
    :param everywhere: whether it is also switched off where a department has a switch of its own.
    """
    states = plugins.states
    own = {} if everywhere else states.switched_in(plugin)
    reached = [scope] if scope else [each for each in departments if each not in own]
    elsewhere = any(on for name, on in own.items() if name != scope) or (scope and states.decided(plugin, "")[0])
    found = [*_unchecked(plugins, plugin, [each for each in reached if states.enabled(plugin, each)])]
    hooks = plugins.hooks_of(plugin)
    if not elsewhere:
        found += [said for hook, said in WITHOUT.items() if hook in hooks]
        found += [f"Mentee uses its {AT_START[hook]} until it is restarted." for hook in REPLACED if hook in hooks]
    return found


def _unchecked(plugins: PluginHost, plugin: str, departments: Sequence[str]) -> Iterator[str]:
    """Yield what a guard no longer checks."""
    hooks = plugins.hooks_of(plugin)
    if not departments:
        return
    if "check_answer" in hooks:
        yield f"Answers in {_named(departments)} are no longer checked by it."
        if bare := [each for each in departments if not plugins.guards_left(plugin, each)]:
            yield f"No guard is left in {_named(bare)}: answers are shown unchecked."
    if "scrub_text" in hooks:
        yield f"Rounds of {_named(departments)} are no longer scrubbed by it; without a scrubber, no round starts."
    if "filter_training_example" in hooks:
        yield f"Rounds of {_named(departments)} may learn from examples that it keeps out."


def _named(departments: Sequence[str]) -> str:
    return f"the department{'s' if len(departments) > 1 else ''} {', '.join(departments)}"
