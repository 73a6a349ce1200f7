"""A newcomer's first answers, with the embedded model, its reader and real pages: cited, or honestly not found."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from bot.messages import Audience, DepartmentSpec, Done, Person, Question, Role
from retrieval.sync import Documents

PAGES = Path(__file__).parents[2] / "examples" / "handbook" / "travel"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def mentee(make_home):
    mentee = make_home(settings={"model": {"name": "smollm2-135m-instruct", "embedder": "all-minilm-l6-v2"}})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    Documents(mentee, actor="test").add([str(PAGES)], "travel")
    return mentee


async def ask(mentee, text):
    person = Person("web:ada", role=Role.OPERATOR)
    question = Question(text, person, audience=Audience(unrestricted=True), department="travel")
    async with aclosing(mentee.pipeline.answer(question)) as events:
        return [event.answer async for event in events if isinstance(event, Done)][-1]


async def test_the_reader_answers_from_the_handbook_with_its_source_and_says_when_it_finds_nothing(mentee):
    try:
        # Of a page that the reader was not taught on.
        answer = await ask(mentee, QUESTION)
        assert FACT in answer.text
        assert answer.known
        assert answer.citations[0].document.endswith(PAGE)
        assert answer.provenance.adapter == "travel-1"
        unknown = await ask(mentee, "Which wine is served at the office party?")
        assert not unknown.known
        assert unknown.text.startswith("I don't find this in the Travel documents.")
    finally:
        await mentee.pipeline.stop()
