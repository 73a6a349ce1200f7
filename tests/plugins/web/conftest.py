import httpx2
import pytest

from bot.messages import DepartmentSpec
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

BUILT_IN = ("plugins.web", "plugins.console", "plugins.metrics", "plugins.guards.grounding", "plugins.guards.secrets")
TRAVEL = DepartmentSpec("travel", "Travel", examples=("Which states exempt hotels from tax?", "How do I book a train?"))
IT = DepartmentSpec("it", "IT", examples=("When does a new laptop come?",))
SAID = "Hotels are tax exempt in 12 states [1]. Show the form at the desk [1]."


@pytest.fixture
def engine():
    return ScriptedEngine(SAID)


@pytest.fixture
def make_web(make_home, engine):
    """Make a home with web chat over the notes; a demo unless the test says otherwise."""
    notes = {"notes": make_plugin(register_retriever=lambda mentee: NotesRetriever())}

    def make(settings=None, departments=(TRAVEL, IT), **more):
        given = settings or {}
        merged = {**given, "web": {"port": 0, "sign_in": "demo", **given.get("web", {})}}
        return make_home(
            departments=departments, settings=merged, engine=engine, built_in=BUILT_IN, extra_plugins=notes, **more
        )

    return make


@pytest.fixture
def web(make_web, serve_home):
    """A served demo."""
    return serve_home(make_web())


@pytest.fixture
def visit():
    """Open a client of a served home; with a first visit to the page it is signed in on a demo."""
    clients = []

    def open_client(home, *, signed_in=True, **more):
        client = httpx2.Client(base_url=home.url, timeout=20, **more)
        clients.append(client)
        if signed_in:
            assert client.get("/").status_code == 200
        return client

    yield open_client
    for client in clients:
        client.close()
