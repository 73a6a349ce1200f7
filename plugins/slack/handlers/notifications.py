"""The button that ends notifications of what became of somebody's feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.slack.copy import notifications as copy
from plugins.slack.items import COMMAND
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from bot.domain.deliveries import InboxItem
    from bot.feedback.notifications import Notifications
    from bot.storage.session import Store
    from plugins.slack.outbound.ephemeral import EphemeralSender


@dataclass(frozen=True, slots=True)
class StopNotificationsHandler:
    """Ends a person's notifications."""

    store: Store
    notifications: Notifications
    ephemeral: EphemeralSender

    async def handle(self, item: InboxItem) -> None:
        """Switch them off and say how to switch them on again."""
        await self.store.run(self.notifications.switch, person_id(item.payload["user"]), on=False)
        await self.ephemeral.tell(item.payload, copy.stopped(COMMAND), thread=item.payload["thread"])
