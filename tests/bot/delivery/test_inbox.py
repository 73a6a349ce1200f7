from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.delivery.inbox import Inbox
from bot.domain.deliveries import InboxItem
from bot.storage.tables.delivery import InboxRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.storage.session import Store


def items(*numbers: Any) -> list[InboxItem]:
    return [InboxItem("slack", "question", {}, f"slack:{number}", id=f"in_{number}") for number in numbers]


def states(store: Store) -> dict[str, str]:
    with store.read() as session:
        return {row.id: row.state for row in session.scalars(select(InboxRow))}


@pytest.fixture
def inbox(store: Store) -> Inbox:
    return Inbox(store, "worker", 15.0)


def test_beyond_its_bound_new_deliveries_are_refused_in_the_same_transaction_and_known_ones_are_not(
    inbox: Inbox, store: Store
) -> None:
    refused = []

    def refuse(_session: Session, item: InboxItem) -> bool:
        refused.append(item.id)
        return item.id != "in_5"

    assert inbox.accept_all(items(1, 2), limit=3, refuse=refuse) == [True, True]
    assert inbox.accept_all(items(2, 3, 4, 5), limit=3, refuse=refuse) == [False, True, True, True]
    assert refused == ["in_4", "in_5"]
    assert states(store) == {
        "in_1": "received", "in_2": "received", "in_3": "received", "in_4": "done", "in_5": "received"
    }  # fmt: skip
    assert inbox.accept_all(items(4), limit=3, refuse=refuse) == [False]
    assert inbox.depth() == 4


def test_what_cannot_be_told_to_its_sender_is_not_refused_either(inbox: Inbox, store: Store) -> None:
    def failing(_session: Session, _item: InboxItem) -> bool:
        raise ValueError("no word to the sender")

    with pytest.raises(ValueError, match="no word"):
        inbox.accept_all(items(1), limit=0, refuse=failing)
    assert states(store) == {}


def test_what_is_no_text_is_removed_from_what_is_accepted(inbox: Inbox) -> None:
    payload = {"text": "a\0b\ud800c", "files": [{"na\0me": "\udfff.txt"}], "count": 2, "none": None}
    inbox.accept(InboxItem("slack", "question", payload, "key-1", id="in_1"))
    entry = inbox.get("in_1")
    assert entry is not None
    assert entry.item.payload == {"text": "abc", "files": [{"name": ".txt"}], "count": 2, "none": None}
