"""Server processes for tests that kill them: each the real runtime of the home in force, with a scripted engine.

For each line on stdin it forks one and prints its process id: what has been imported once is there at once. With the
transport ``http`` a server takes Slack's requests on ``web.port``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvicorn

from bot.app import open_mentee
from bot.config.settings import load_settings
from bot.server.app import build_app
from bot.server.lifespan import Runtime
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin
from plugins.slack.assembly import build  # noqa: F401 - imported once, before the forks
from plugins.slack.settings import SlackSettings

ANSWER = "Hotels are tax exempt in 12 states [1]."
WORD_SECONDS = 0.04


async def _serve() -> None:
    retriever = NotesRetriever()
    mentee = open_mentee(
        load_settings(),
        engine=ScriptedEngine(ANSWER, delay=WORD_SECONDS),
        built_in=("plugins.slack",),
        extra_plugins={"notes": make_plugin(register_retriever=lambda instance: retriever)},  # noqa: ARG005 - by name
        discover=False,
    )
    runtime = Runtime(mentee, queues=())
    if SlackSettings.of(mentee.settings).transport == "http":
        config = uvicorn.Config(
            build_app(mentee, runtime), port=mentee.settings.web.port, log_config=None, lifespan="on"
        )
        await uvicorn.Server(config).serve()
    else:
        await runtime.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    for _ in sys.stdin:
        server = os.fork()
        if server == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            asyncio.run(_serve())
        print(server, flush=True)  # noqa: T201 - whoever asked reads it
