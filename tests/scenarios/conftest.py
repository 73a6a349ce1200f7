from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.app import open_mentee
from bot.config.settings import load_settings
from bot.server.lifespan import Runtime
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin
from plugins.slack.testing.fixtures import SlackProject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from plugins.slack.testing import FakeSlack


@pytest.fixture
async def replica(fake_slack: FakeSlack) -> AsyncIterator[Callable[[str], Awaitable[SlackProject]]]:
    """Return a function that serves the newest home once more, as another process would, with an engine of its own."""
    made = []

    async def make(answer: Any) -> SlackProject:
        retriever = NotesRetriever()
        engine = ScriptedEngine(answer)
        mentee = open_mentee(
            load_settings(),
            engine=engine,
            built_in=("plugins.slack",),
            extra_plugins={"notes": make_plugin(register_retriever=lambda: retriever)},
            discover=False,
        )
        accepted = fake_slack.sockets.accepted
        project = SlackProject(mentee, fake_slack, engine, Runtime(mentee, queues=()), "socket")
        made.append(project)
        await project.start()
        await fake_slack.wait_until(lambda: fake_slack.sockets.accepted > accepted)
        return project

    yield make
    for project in made:
        await project.stop()
        project.mentee.close()
