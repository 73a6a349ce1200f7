"""The hook of actions: what a plugin does when a person confirms it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.errors import PluginError
from bot.hooks import results
from bot.hooks.calling.tracebacks import of_function
from bot.hooks.health import Failure
from bot.hooks.methods.base import HookMethods

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.answers import Exchange
    from bot.domain.people import Person
    from bot.domain.plugins.actions import ActionResult, OfferedAction


class ActionHooks(HookMethods):
    """The methods of :class:`bot.hooks.host.PluginHost` for actions. Everything here is blocking."""

    def on_action(
        self, offered: OfferedAction, person: Person, exchange: Exchange, late: Callable[[ActionResult], object]
    ) -> ActionResult:
        """Let the plugin that offered an action do it, and return what came of it.

        :param late: is told the result if it comes after this has raised.
        :raises PluginError: there is no result. The error says whether the plugin was called at all.
        """
        department, plugin = exchange.answer.department, offered.plugin
        known = self._calls.implementations("on_action", department)
        found = next((each for each in known if each.plugin == plugin), None)
        if found is None:
            raise PluginError(plugin, "on_action", "the plugin is off or has no such hook", called=False)
        given = {
            "action": offered.action,
            "person": person,
            "question": exchange.question,
            "answer": exchange.answer,
            "idempotency_key": offered.id,
        }
        watched = results.LateResult(found.function, late)
        call = self._calls.one(replace(found, function=watched), "on_action", results.ACTION_RESULT, department, given)
        result = self._calls.run(call)
        if result.skipped:
            raise PluginError(plugin, "on_action", f"it is {self._calls.health.pauses(plugin)}", called=False)
        if result.error is not None:
            watched.give_up()
            raise result.error
        if result.value is None:
            problem = "returned None, not ActionResult"
            raise self._calls.health.failed(
                Failure(plugin, "on_action", department, problem, of_function(found.function))
            )
        return result.value
