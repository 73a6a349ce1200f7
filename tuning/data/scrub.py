"""Removes personal data from texts with the scrubbers that are enabled for a department."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.errors import SettingsError
from bot.domain.questions import ChatMessage, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.hooks.host import PluginHost
    from tuning.data.aggregate import Rating

_MARK = re.compile(r"<[A-Z_]+>")


class Scrubber:
    """Scrubs each text once, and counts what was removed by placeholder (``<EMAIL>``)."""

    def __init__(self, plugins: PluginHost, department: str) -> None:
        self.removed: Counter[str] = Counter()
        self._plugins = plugins
        self._department = department
        self._clean: dict[str, str] = {}

    def require(self) -> None:
        """Check that at least one scrubber is enabled.

        :raises SettingsError: none is.
        """
        if not self._plugins.has_scrubber(self._department):
            raise SettingsError(
                f"No scrubber is enabled for department {self._department!r}, so its texts can't be used for training.",
                hint="Enable one: `mentee plugins enable personal_data`.",
            )

    def text(self, text: str) -> str:
        """Return the text after all scrubbers.

        :raises PluginError: a scrubber failed. Then there is no dataset.
        """
        if text not in self._clean:
            clean = self._plugins.scrub_text(text, self._department)
            self.removed += Counter(_MARK.findall(clean)) - Counter(_MARK.findall(text))
            self._clean[text] = clean
        return self._clean[text]

    def turns(self, history: Iterable[Turn]) -> tuple[Turn, ...]:
        return tuple(
            Turn(self.text(turn.question), self.text(turn.answer), refused=turn.refused, leaned_on=turn.leaned_on)
            for turn in history
        )

    def messages(self, messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
        return tuple(ChatMessage(message.role, self.text(message.content)) for message in messages)

    def rating(self, rating: Rating) -> Rating:
        return replace(
            rating,
            question=self.text(rating.question),
            completion=self.text(rating.completion),
            history=self.turns(rating.history),
        )
