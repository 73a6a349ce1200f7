"""How the methods of the host call plugins: all that implement a hook, or the first that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bot.hooks import results
from bot.hooks.calls import chained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.calling.chains import Chain
    from bot.hooks.calls import Calls
    from bot.hooks.registry import Registry
    from bot.hooks.results import Kind

T = TypeVar("T")


class HookMethods:
    """What the groups of methods share. :class:`bot.hooks.host.PluginHost` sets the attributes."""

    _registry: Registry
    _calls: Calls
    _brought: dict[str, str]

    @chained
    def _declared(self, hook: str, kind: Kind[T]) -> Chain[dict[str, T]]:
        """Return what plugins declare, by plugin, even where they are switched off.

        This is asked before the database, which holds the switches, is known to be up to date.
        """
        found: dict[str, T] = {}
        for each in reversed(self._registry.implementations(hook)):
            result = yield from self._calls.one(each, hook, kind, None, {})
            if result.value is not None:
                found[each.plugin] = result.value
        return found

    @chained
    def _tell(self, hook: str, department: str | None, /, **given: Any) -> Chain[None]:
        for call in self._calls.each(hook, results.NOTHING, department, given):
            yield from call

    @chained
    def _first(self, hook: str, kind: Kind[T], /, **given: Any) -> Chain[T | None]:
        """Return the first value and note whose it is; the plugins after it aren't called."""
        for call in self._calls.each(hook, kind, None, given):
            result = yield from call
            if result.value is not None:
                self._brought[hook] = result.plugin
                return result.value
        return None

    @chained
    def _all(
        self, hook: str, kind: Kind[Sequence[T]], /, *, only: str = "", oldest_first: bool = False, **given: Any
    ) -> Chain[list[T]]:
        """Return the items of all plugins' lists, or of one plugin's.

        :param oldest_first: whether those of the plugin registered first come first.
        """
        found: list[Sequence[T]] = []
        for each in self._calls.turns(hook, None, only):
            result = yield from self._calls.one(each, hook, kind, None, given)
            if kind is results.ERASERS and result.error is not None:
                raise result.error
            found.append(result.value or ())
        return [item for items in (reversed(found) if oldest_first else found) for item in items]
