"""Web chat for tests: homes with the page over a few notes, clients that visit it, and a headless browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
import pytest

from bot.access.tokens import Tokens
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Scope
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.testing.homes import MakeHome, Mentee
    from bot.testing.serving import ServedHome, ServeHome

WEB_PLUGINS = ("plugins.web", "plugins.console", "plugins.desk", "plugins.metrics")
TRAVEL = DepartmentSpec("travel", "Travel", examples=("Which states exempt hotels from tax?", "How do I book a train?"))
IT = DepartmentSpec("it", "IT", examples=("When does a new laptop come?",))
SAID = "Hotels are tax exempt in **12 states** [1]. Show the form at the desk [1]."


class MakeWeb(Protocol):
    """What the ``make_web`` fixture is."""

    def __call__(
        self,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        departments: Sequence[DepartmentSpec] = (TRAVEL, IT),
        retriever: NotesRetriever | None = None,
        plugins: Mapping[str, Any] | None = None,
    ) -> Mentee:
        """Make a home with web chat over the notes: a demo unless ``settings`` say otherwise."""


class Visit(Protocol):
    """What the ``visit`` fixture is."""

    def __call__(self, home: ServedHome, *, first_page: bool = True) -> httpx2.Client:
        """Open a client of a served home; having seen the first page, it is signed in on a demo."""


def bearer(home: ServedHome, name: str) -> dict[str, str]:
    """Return the header of a new token with which a person may do all that they may on the page."""
    secret, _ = Tokens(home.mentee.store).create(name, list(Scope), actor="test")
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def web_engine() -> ScriptedEngine:
    """The engine of the homes that ``make_web`` makes."""
    return ScriptedEngine(SAID)


@pytest.fixture
def make_web(make_home: MakeHome, web_engine: ScriptedEngine) -> MakeWeb:
    """Return a function that makes homes with web chat; see :class:`MakeWeb`."""
    return web_homes(make_home, web_engine)


def web_homes(make_home: MakeHome, engine: ScriptedEngine) -> MakeWeb:
    """Return a function that makes homes with web chat, for fixtures of a wider scope; see :class:`MakeWeb`."""

    def make(
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        departments: Sequence[DepartmentSpec] = (TRAVEL, IT),
        retriever: NotesRetriever | None = None,
        plugins: Mapping[str, Any] | None = None,
    ) -> Mentee:
        notes = make_plugin(register_retriever=lambda: retriever or NotesRetriever())
        given = settings or {}
        return make_home(
            departments=departments,
            settings={**given, "web": {"port": 0, "sign_in": "demo", **given.get("web", {})}},
            engine=engine,
            built_in=WEB_PLUGINS,
            extra_plugins={"notes": notes, **(plugins or {})},
        )

    return make


@pytest.fixture
def web(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A served demo over the notes."""
    return serve_home(make_web())


@pytest.fixture
def visit() -> Iterator[Visit]:
    """Return a function that opens clients; see :class:`Visit`."""
    clients: list[httpx2.Client] = []

    def open_client(home: ServedHome, *, first_page: bool = True) -> httpx2.Client:
        client = httpx2.Client(base_url=home.url, timeout=20)
        clients.append(client)
        if first_page:
            client.get("/")
        return client

    yield open_client
    for client in clients:
        client.close()


def ask(client: httpx2.Client, text: str, *, key: str = "key-0001", **more: Any) -> httpx2.Response:
    """Post a question as the page does."""
    asked = {"text": text, "department": None, "conversation": "conversation-1", "key": key, **more}
    return client.post("/api/v1/questions", json=asked)


def events(client: httpx2.Client, path: str) -> list[tuple[str, Any]]:
    """Return the events of a stream, each as (name, data), when it has ended."""
    response = client.get(path, headers={"Accept": "text/event-stream"})
    assert response.status_code == 200, response.text
    found = []
    for block in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def answer(client: httpx2.Client, text: str, **more: Any) -> dict[str, Any]:
    """Ask, wait for the answer, and return it as the page gets it."""
    accepted = ask(client, text, **more)
    assert accepted.status_code == 202, accepted.text
    name, data = events(client, accepted.json()["events"])[-1]
    assert name == "done", data
    return dict(data)
