"""A conversation that somebody opened for the first time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.deliveries import OutboxItem
from plugins.slack.copy import views as copy
from plugins.slack.items import GREETING, NAME
from plugins.slack.workspaces.current import stamped

if TYPE_CHECKING:
    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import InboxItem
    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class GreetingHandler:
    """Greets people."""

    store: Store
    outbox: Outbox

    async def handle(self, item: InboxItem) -> None:
        """Put the greeting into the outbox, once however often the item is tried."""
        address = stamped({"channel": item.payload["channel"], "thread_ts": item.payload["thread"]})
        payload = {"text": copy.greeting(), "user": item.payload["user"]}
        greeting = OutboxItem(NAME, GREETING, address, payload, id=f"out_{item.id}")
        await self.store.run(self.outbox.add_once, greeting, lane=item.payload["channel"])
