"""``mentee serve`` as it is, with a scripted engine: a question that says "long" takes ``MENTEE_TEST_LONG`` words."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bot import engines
from bot.cli import main
from bot.testing.engines import ScriptedEngine

if TYPE_CHECKING:
    from bot.protocols import GenerationRequest
    from bot.settings import Settings

WORD_SECONDS = 0.05
SHORT = 40


def _answer(request: GenerationRequest) -> str:
    words = int(os.environ["MENTEE_TEST_LONG"]) if "long" in request.messages[-1].content else SHORT
    return " ".join(f"word-{number}" for number in range(words)) + "."


def _engine(_settings: Settings) -> ScriptedEngine:
    return ScriptedEngine(_answer, delay=WORD_SECONDS)


if __name__ == "__main__":
    engines.open_engine = _engine
    sys.argv = ["mentee", "serve"]
    main()
