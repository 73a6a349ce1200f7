from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from bot.messages import InboxItem
from plugins.slack.transport.acceptor import Acceptor


def instance(inbox):
    return SimpleNamespace(inbox=inbox, settings=SimpleNamespace(limits=SimpleNamespace(queue=200)))


class Recorder:
    """An inbox that records its transactions; an item of kind ``broken`` fails whatever it comes with."""

    def __init__(self):
        self.groups = []

    def accept_all(self, items, **_bound):
        self.groups.append(len(items))
        if any(item.kind == "broken" for item in items):
            raise ValueError("cannot be stored")
        return [item.kind != "known" for item in items]


def item(kind, number):
    return InboxItem("slack", kind, {}, f"slack:{number}")


async def test_deliveries_that_come_together_share_transactions():
    inbox = Recorder()
    acceptor = Acceptor(instance(inbox))
    taken = await asyncio.gather(*(acceptor.accept(item("known" if n == 3 else "new", n)) for n in range(50)))
    assert [n for n, accepted in enumerate(taken) if not accepted] == [3]
    assert sum(inbox.groups) == 50
    assert len(inbox.groups) <= 2
    acceptor.close()


async def test_one_that_cannot_be_stored_keeps_no_other_out():
    acceptor = Acceptor(instance(Recorder()))
    kinds = ["new", "broken", "new"]
    outcomes = await asyncio.gather(
        *(acceptor.accept(item(kind, n)) for n, kind in enumerate(kinds)), return_exceptions=True
    )
    assert [outcomes[0], outcomes[2]] == [True, True]
    assert isinstance(outcomes[1], ValueError)
    with pytest.raises(ValueError, match="cannot be stored"):
        await acceptor.accept(item("broken", 9))
    acceptor.close()


async def test_what_the_database_does_not_take_in_time_is_given_up_and_not_kept(monkeypatch):
    monkeypatch.setattr("plugins.slack.transport.acceptor.ACCEPT_SECONDS", 0.05)
    free = threading.Event()

    class Locked(Recorder):
        def accept_all(self, items, **bound):
            free.wait(10)
            return super().accept_all(items, **bound)

    inbox = Locked()
    acceptor = Acceptor(instance(inbox))
    outcomes = await asyncio.gather(*(acceptor.accept(item("new", n)) for n in range(3)), return_exceptions=True)
    late = await asyncio.gather(*(acceptor.accept(item("new", n)) for n in range(3, 9)), return_exceptions=True)
    assert all(isinstance(outcome, TimeoutError) for outcome in (*outcomes, *late))
    free.set()
    monkeypatch.undo()
    assert await acceptor.accept(item("new", 10))
    assert sum(inbox.groups) == 4  # the three that were being written, and the last
    acceptor.close()
