from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.testing.notes import make_plugin
from tests.bot.feedback import offers, tickets

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.app import Mentee
    from bot.storage.session import Store

    MakeMentee = Callable[..., Mentee]


@pytest.fixture
def make_tickets(make_mentee: MakeMentee, store: Store) -> Callable[..., Mentee]:
    """Return a function that makes an instance with a plugin that offers actions."""

    def make(on_action: Any = None, *, seconds: float = 10.0, **more: Any) -> Mentee:
        plugin: Any = tickets
        if on_action is not None:
            plugin = make_plugin(answer_directly=offers.offer_ticket, on_action=on_action)
        settings = {"store": {"url": store.url}, "limits": {"action_seconds": seconds}}
        mentee: Mentee = make_mentee({"tickets": plugin}, settings=settings, **more)
        return mentee

    return make
