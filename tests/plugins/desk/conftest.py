from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.web.testing.fixtures import bearer
from tests.plugins.desk.steps import staffed

if TYPE_CHECKING:
    import httpx2

    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit
    from tests.plugins.desk.steps import Client


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A served home with ada and bob, employees, gus, an agent of travel, eve, an agent, and olga, an operator."""
    return serve_home(staffed(make_web))


@pytest.fixture
def client(home: ServedHome, visit: Visit) -> Client:
    """Return a function that opens a client for a person, as a browser would ask."""

    def open_client(name: str) -> httpx2.Client:
        opened = visit(home, first_page=False)
        opened.headers |= bearer(home, name) | {"Accept": "text/html"}
        return opened

    return open_client
