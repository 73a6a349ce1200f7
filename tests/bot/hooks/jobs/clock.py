"""A plugin whose job writes the process's number to a file and then waits, and a process that runs what is due."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.plugins.jobs import Job
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence


@hookimpl
def register_jobs() -> Sequence[Job]:
    """Offer the job. It takes long in a process that shall hang."""
    return [Job("work", timedelta(hours=1), work)]


def work() -> None:
    """Leave a line, and hang where the process was told to."""
    with Path(sys.argv[1]).open("a", encoding="utf-8") as lines:
        lines.write(f"{os.getpid()}\n")
    if sys.argv[2] == "hang":
        time.sleep(600)


async def serve() -> None:
    """Run what is due until the standard input ends."""
    from bot.app import Mentee
    from bot.config.settings import load_settings

    plugins = {"clock": sys.modules["__main__"]}
    mentee = Mentee(load_settings(), extra_plugins=plugins, built_in=(), discover=False)
    jobs = mentee.jobs()
    await jobs.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await jobs.stop(0.0)
    mentee.close()


if __name__ == "__main__":
    asyncio.run(serve())
