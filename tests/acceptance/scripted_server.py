"""A server process for tests that kill it: the real runtime of the home in force, with a scripted engine."""

from __future__ import annotations

import asyncio

from bot.app import open_mentee
from bot.runtime import Runtime
from bot.settings import load_settings
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

ANSWER = "Hotels are tax exempt in 12 states [1]."
WORD_SECONDS = 0.04


async def _serve() -> None:
    retriever = NotesRetriever()
    mentee = open_mentee(
        load_settings(),
        engine=ScriptedEngine(ANSWER, delay=WORD_SECONDS),
        built_in=("plugins.slack",),
        extra_plugins={"notes": make_plugin(register_retriever=lambda mentee: retriever)},  # noqa: ARG005 - by name
        discover=False,
    )
    await Runtime(mentee, queues=()).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
