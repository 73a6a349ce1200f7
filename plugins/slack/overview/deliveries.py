"""Looks at an answer's permissions once more when it is delivered: they may have changed while it waited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plugins.slack.items import item_id

if TYPE_CHECKING:
    from bot.access.departments import Departments
    from bot.access.rights import Rights
    from bot.delivery.inbox import Inbox
    from bot.domain.answers import RecordedQuestion
    from bot.domain.deliveries import OutboxItem
    from bot.domain.people import Audience
    from bot.storage.history import History
    from plugins.slack.workspaces.channels import Channels


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRights:
    """Decides whether an answer may still be shown where it is addressed. Everything here is blocking."""

    inbox: Inbox
    history: History
    departments: Departments
    channels: Channels
    rights: Rights

    def look(self, item: OutboxItem) -> Literal["show", "withhold", "gone"]:
        """Return whether an answer may be shown where it is addressed, or was erased."""
        if item.answer_id is None:
            return "show"
        found = self.history.of_answer(item.answer_id)
        if found is None:
            return "gone"
        sight = self.rights.sight(self._audience(item, found.question))
        return "show" if sight.sees_answer(found.answer) else "withhold"

    def _audience(self, item: OutboxItem, question: RecordedQuestion) -> Audience:
        """Return who reads the delivery: the asker alone, or the whole channel.

        Where another company reads along, and where nobody knows any more, only what the channel was given counts.
        """
        asked = self.inbox.get(item_id(question.id))
        known = asked.item.payload if asked is not None else {"external": True}
        external = known.get("external", False)  # no private answer is made where another company reads along
        alone = known.get("direct", False) or not {"user", "response_url"}.isdisjoint(item.address)
        if alone and not external:
            return self.departments.audience_of(self.departments.person(question.person_id))
        return self.channels.audience(self.channels.get(question.place), external=external)
