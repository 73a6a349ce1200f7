import pytest

from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

GUARDS = ("plugins.guards.grounding", "plugins.guards.secrets")


@pytest.fixture
def engine():
    return ScriptedEngine("Hotels are tax exempt in 12 states [1].")


@pytest.fixture
def make_mentee(make_home, engine):
    """Make a Mentee over the notes, with the guards and the plugins that the test gives."""
    retriever = NotesRetriever()

    def make(plugins=None, departments=("it", "travel", "support"), **more):
        given = {"notes": make_plugin(register_retriever=lambda: retriever), **(plugins or {})}
        return make_home(
            **{"departments": departments, "engine": engine, "built_in": GUARDS, "extra_plugins": given, **more}
        )

    return make
