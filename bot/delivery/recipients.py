"""Deliveries to people and places by name, such as ``slack:U024BE7LH``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.domain.deliveries import OutboxItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.orm import Session

    from bot.delivery.outbox import Outbox


class Recipients:
    """Finds where recipients can be reached, and puts deliveries to them into the outbox.

    :param find_address: returns a recipient's address in its channel; ``None`` if it can't be reached.
    """

    def __init__(self, outbox: Outbox, find_address: Callable[[str], Mapping[str, Any] | None]) -> None:
        self._outbox = outbox
        self._find_address = find_address

    def addresses(self, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """Return the addresses of those that can be reached, by name."""
        found = {name: self._find_address(name) for name in names}
        return {name: address for name, address in found.items() if address is not None}

    def send(
        self, session: Session, kind: str, addresses: Mapping[str, Mapping[str, Any]], payload: Mapping[str, Any]
    ) -> list[str]:
        """Add a delivery for each address inside the caller's transaction; return their ids."""
        ids = []
        for name, address in addresses.items():
            channel, _, lane = name.partition(":")
            item = OutboxItem(channel, kind, address, payload)
            self._outbox.add(session, item, lane=lane)
            ids.append(item.id)
        return ids
