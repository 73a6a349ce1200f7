"""How long a call of a plugin may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.config.suggestions import did_you_mean
from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REGISTER_SECONDS = 30.0
"""Time limit of a ``register_…`` or ``start_…`` hook. Such hooks import large libraries, from a cold disk at times."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time limits of one instance, in seconds.

    :param hook: for a hook that is none of the others.
    :param action: for ``on_action``.
    :param of_plugin: for the hooks of single plugins, instead of ``hook``, by the plugin's name.
    """

    hook: float = 2.0
    action: float = 10.0
    of_plugin: Mapping[str, float] = field(default_factory=dict)
    _found: dict[tuple[str, str], float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, plugin: str, hook: str) -> float:
        """Return how long a call of a plugin's hook may take."""
        seconds = self._found.get((plugin, hook))
        if seconds is None:
            if hook.startswith(("register_", "start_")):
                seconds = REGISTER_SECONDS
            else:
                seconds = self.action if hook == "on_action" else self.usual(plugin)
            self._found[plugin, hook] = seconds
        return seconds

    def usual(self, plugin: str) -> float:
        """Return how long a hook of a plugin may take, other than to register, to start or to act."""
        return self.of_plugin.get(plugin, self.hook)

    def check(self, installed: Collection[str]) -> None:
        """Make sure that the limits of single plugins are those of installed ones.

        :raises SettingsError: names the first that isn't.
        """
        for name in self.of_plugin:
            if name not in installed:
                raise SettingsError(
                    f"limits.plugins sets a time limit for the plugin {name!r}, which isn't installed."
                    f"{did_you_mean(name, installed)}",
                    hint=f"Correct or remove it in mentee.toml. Installed: {', '.join(sorted(installed))}.",
                )
