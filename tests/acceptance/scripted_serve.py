"""``mentee serve`` as it is, with a scripted engine: a question that says "long" takes ``MENTEE_TEST_LONG`` words.

The model takes ``MENTEE_TEST_LOADING`` seconds to load, in a thread that nothing interrupts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

from bot.cli.main import main
from bot.inference import selection
from bot.testing.engines import ScriptedEngine

if TYPE_CHECKING:
    from bot.config.settings import Settings
    from bot.domain.generation import GenerationRequest

WORD_SECONDS = 0.05
SHORT = 40


class SlowlyLoaded(ScriptedEngine):
    """An engine whose model takes a while to load."""

    async def start(self) -> None:
        await asyncio.to_thread(time.sleep, float(os.environ.get("MENTEE_TEST_LOADING", "0")))
        await super().start()


def _answer(request: GenerationRequest) -> str:
    words = int(os.environ["MENTEE_TEST_LONG"]) if "long" in request.messages[-1].content else SHORT
    return " ".join(f"word-{number}" for number in range(words)) + "."


def _engine(_settings: Settings) -> ScriptedEngine:
    return SlowlyLoaded(_answer, delay=WORD_SECONDS)


if __name__ == "__main__":
    selection.open_engine = _engine  # type: ignore[assignment] # it implements the protocol's part that is used
    sys.argv = ["mentee", "serve"]
    main()
