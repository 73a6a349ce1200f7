from __future__ import annotations

import asyncio

import pytest

from bot.messages import InboxItem
from plugins.slack.acceptor import Acceptor


class Recorder:
    """An inbox that records its transactions; an item of kind ``broken`` fails whatever it comes with."""

    def __init__(self):
        self.groups = []

    def accept_all(self, items):
        self.groups.append(len(items))
        if any(item.kind == "broken" for item in items):
            raise ValueError("cannot be stored")
        return [item.kind != "known" for item in items]


def item(kind, number):
    return InboxItem("slack", kind, {}, f"slack:{number}")


async def test_deliveries_that_come_together_share_transactions():
    inbox = Recorder()
    acceptor = Acceptor(inbox)
    taken = await asyncio.gather(*(acceptor.accept(item("known" if n == 3 else "new", n)) for n in range(50)))
    assert [n for n, accepted in enumerate(taken) if not accepted] == [3]
    assert sum(inbox.groups) == 50
    assert len(inbox.groups) <= 2
    acceptor.close()


async def test_one_that_cannot_be_stored_keeps_no_other_out():
    acceptor = Acceptor(Recorder())
    kinds = ["new", "broken", "new"]
    outcomes = await asyncio.gather(
        *(acceptor.accept(item(kind, n)) for n, kind in enumerate(kinds)), return_exceptions=True
    )
    assert [outcomes[0], outcomes[2]] == [True, True]
    assert isinstance(outcomes[1], ValueError)
    with pytest.raises(ValueError, match="cannot be stored"):
        await acceptor.accept(item("broken", 9))
    acceptor.close()
