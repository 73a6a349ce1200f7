from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bot.delivery.inbox import Inbox
from bot.domain.deliveries import InboxItem
from plugins.slack.inbound.acceptor import Acceptor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Recorder(Inbox):
    """An inbox that records its transactions; an item of kind ``broken`` fails whatever it comes with."""

    def __init__(self) -> None:
        store: Any = None  # nothing is stored
        super().__init__(store, "worker", 60.0)
        self.groups: list[int] = []

    def accept_all(self, items: Sequence[InboxItem], **_bound: Any) -> list[bool]:
        self.groups.append(len(items))
        if any(item.kind == "broken" for item in items):
            raise ValueError("cannot be stored")
        return [item.kind != "known" for item in items]


def item(kind: str, number: int) -> InboxItem:
    return InboxItem("slack", kind, {}, f"slack:{number}")


def acceptor_of(inbox: Any) -> Acceptor:
    outbox: Any = None  # nothing is refused
    return Acceptor(inbox, outbox, 200)


async def test_deliveries_that_come_together_share_transactions() -> None:
    inbox = Recorder()
    acceptor = acceptor_of(inbox)
    taken = await asyncio.gather(*(acceptor.accept(item("known" if n == 3 else "new", n)) for n in range(50)))
    assert [n for n, accepted in enumerate(taken) if not accepted] == [3]
    assert sum(inbox.groups) == 50
    assert len(inbox.groups) <= 2
    acceptor.close()


async def test_the_inbox_knows_that_a_sender_waits() -> None:
    free = threading.Event()

    class Slow(Recorder):
        def accept_all(self, items: Sequence[InboxItem], **bound: Any) -> list[bool]:
            free.wait(10)
            return super().accept_all(items, **bound)

    inbox = Slow()
    acceptor = acceptor_of(inbox)
    accepting = asyncio.create_task(acceptor.accept(item("new", 1)))
    await asyncio.sleep(0)
    assert inbox.is_accepting()
    free.set()
    assert await accepting
    assert not inbox.is_accepting()
    acceptor.close()


async def test_one_that_cannot_be_stored_keeps_no_other_out() -> None:
    acceptor = acceptor_of(Recorder())
    kinds = ["new", "broken", "new"]
    outcomes = await asyncio.gather(
        *(acceptor.accept(item(kind, n)) for n, kind in enumerate(kinds)), return_exceptions=True
    )
    assert [outcomes[0], outcomes[2]] == [True, True]
    assert isinstance(outcomes[1], ValueError)
    with pytest.raises(ValueError, match="cannot be stored"):
        await acceptor.accept(item("broken", 9))
    acceptor.close()


async def test_what_the_database_does_not_take_in_time_is_given_up_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("plugins.slack.inbound.acceptor.ACCEPT_SECONDS", 0.05)
    free = threading.Event()

    class Locked(Recorder):
        def accept_all(self, items: Sequence[InboxItem], **bound: Any) -> list[bool]:
            free.wait(10)
            return super().accept_all(items, **bound)

    inbox = Locked()
    acceptor = acceptor_of(inbox)
    outcomes = await asyncio.gather(*(acceptor.accept(item("new", n)) for n in range(3)), return_exceptions=True)
    late = await asyncio.gather(*(acceptor.accept(item("new", n)) for n in range(3, 9)), return_exceptions=True)
    assert all(isinstance(outcome, TimeoutError) for outcome in (*outcomes, *late))
    assert not inbox.is_accepting(), "nobody waits any more"
    free.set()
    monkeypatch.undo()
    assert await acceptor.accept(item("new", 10))
    assert sum(inbox.groups) == 4  # the three that were being written, and the last
    acceptor.close()
