from __future__ import annotations

import pytest

from bot.app import open_mentee
from bot.runtime import Runtime
from bot.settings import load_settings
from bot.testing.engines import ScriptedEngine
from bot.testing.fake_slack import SlackProject
from bot.testing.notes import NotesRetriever, make_plugin


@pytest.fixture
async def replica(fake_slack):
    """Return a function that serves the newest home once more, as another process would, with an engine of its own."""
    made = []

    async def make(answer):
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
