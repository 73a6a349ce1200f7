"""The core alone answers a question: with no plugin, no channel and no training."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever
from bot.testing.questions import ask

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome

SAID = "Hotels are tax exempt in 12 states [1]."


async def test_a_question_is_answered_recorded_and_read_back(make_home: MakeHome) -> None:
    mentee = make_home(
        departments=("travel",), engine=ScriptedEngine(SAID), retriever=NotesRetriever(), built_in=(), discover=False
    )
    assert mentee.plugins.loaded == {}
    answer, _ = await ask(mentee, "Are hotels tax exempt?")
    assert (answer.text, answer.known, answer.department) == (SAID, True, "travel")
    assert [citation.document for citation in answer.citations] == ["travel/lodging.md"]
    assert answer.provenance.plugins == {}


def test_the_core_loads_nothing_of_what_plugins_bring(make_home: MakeHome) -> None:
    make_home(departments=("travel",), built_in=())
    script = """
import asyncio, json, sys
from bot.app import Mentee
from bot.config.settings import load_settings
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever

async def ask(mentee):
    question = Question("Are hotels tax exempt?", Person("user:ada"))
    *_, done = [event async for event in mentee.answer(question)]
    mentee.recorder.record(question, done.answer)
    return mentee.history.of_answer(done.answer.id).answer.text

engine = ScriptedEngine("Hotels are tax exempt in 12 states [1].")
mentee = Mentee(load_settings(), engine=engine, retriever=NotesRetriever(), built_in=(), discover=False)
text = asyncio.run(ask(mentee))
mentee.close()
print(json.dumps([text, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    text, loaded = json.loads(ended.stdout.splitlines()[-1])
    assert text == SAID
    assert {"plugins", "retrieval", "tuning", "slack_bolt", "slack_sdk", "croniter", "torch"} & set(loaded) == set()
