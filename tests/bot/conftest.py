from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.testing.homes import MakeHome, Mentee


GUARDS = ("plugins.guards.grounding", "plugins.guards.secrets")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("Hotels are tax exempt in 12 states [1].")


@pytest.fixture
def make_mentee(make_home: MakeHome, engine: ScriptedEngine) -> Callable[..., Mentee]:
    """Make a Mentee over the notes, with the guards and the plugins that the test gives."""
    retriever = NotesRetriever()

    def make(plugins: Any = None, departments: Sequence[str] = ("it", "travel", "support"), **more: Any) -> Mentee:
        given = {"notes": make_plugin(register_retriever=lambda: retriever), **(plugins or {})}
        return make_home(
            **{"departments": departments, "engine": engine, "built_in": GUARDS, "extra_plugins": given, **more}
        )

    return make
