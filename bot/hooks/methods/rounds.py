"""The hooks of rounds: what they may learn from, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hooks import results
from bot.hooks.calls import chained
from bot.hooks.methods.base import HookMethods

if TYPE_CHECKING:
    from bot.domain.training import RoundFinished, TrainingExample
    from bot.hooks.calling.chains import Chain


class RoundHooks(HookMethods):
    """The methods of :class:`bot.hooks.host.PluginHost` for rounds. Everything here is blocking."""

    def has_scrubber(self, department: str) -> bool:
        """Return whether a plugin that scrubs texts is on for the department."""
        return next(self._calls.implementations("scrub_text", department), None) is not None

    @chained
    def scrub_text(self, text: str, department: str) -> Chain[str]:
        """Return the text as every scrubber leaves it.

        :raises PluginError: a scrubber failed.
        """
        for scrubber in self._calls.turns("scrub_text", department):
            result = yield from self._calls.one(scrubber, "scrub_text", results.TEXT, department, {"text": text})
            if result.error is not None:
                raise result.error
            text = text if result.value is None else result.value
        return text

    @chained
    def filter_training_example(self, example: TrainingExample, department: str) -> Chain[bool]:
        """Return whether a round may learn from the example. A filter that fails keeps it out."""
        given = {"example": example}
        for call in self._calls.each("filter_training_example", results.YES_OR_NO, department, given):
            result = yield from call
            if result.error is not None or result.value is False:
                return False
        return True

    def on_round_metric(self, round_id: str, name: str, step: int, value: float, department: str) -> None:
        """Tell plugins a number of a running round."""
        self._tell("on_round_metric", department, round_id=round_id, name=name, step=step, value=value)

    def on_round_finished(self, event: RoundFinished) -> None:
        """Tell plugins that a round ended."""
        self._tell("on_round_finished", event.department, event=event)
