from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.inbox import Inbox
from bot.messages import InboxItem
from bot.store.models import InboxRow


def items(*numbers):
    return [InboxItem("slack", "question", {}, f"slack:{number}", id=f"in_{number}") for number in numbers]


def states(store):
    with store.read() as session:
        return {row.id: row.state for row in session.scalars(select(InboxRow))}


@pytest.fixture
def inbox(store):
    return Inbox(store, "worker", 15.0)


def test_beyond_its_bound_new_deliveries_are_refused_in_the_same_transaction_and_known_ones_are_not(inbox, store):
    refused = []

    def refuse(_session, item):
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


def test_what_cannot_be_told_to_its_sender_is_not_refused_either(inbox, store):
    def failing(_session, _item):
        raise ValueError("no word to the sender")

    with pytest.raises(ValueError, match="no word"):
        inbox.accept_all(items(1), limit=0, refuse=failing)
    assert states(store) == {}
