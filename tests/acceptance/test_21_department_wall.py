"""What the audience may not read reaches no prompt, citation, answer, record or log, however literally it is asked for.

Asked directly, by a person without the right, in a channel that several departments share, and as a follow-up.
"""

from __future__ import annotations

import json
from contextlib import aclosing

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.errors import ForbiddenError
from bot.messages import Audience, DepartmentSpec, Done, Person, Question, Role, Turn
from bot.store.models import Base
from retrieval.sync import Documents

SECRET = "BLUEHERON"
SENTENCE = f"The severance of directors is twenty-six weeks under the {SECRET} plan."
ASKED = "What is the severance of directors, how many weeks under which plan?"
BUILT_IN = ("retrieval.plugin", "plugins.sources", "plugins.guards.grounding", "plugins.guards.secrets")
ADA, BOB = Person("web:ada"), Person("web:bob")


@pytest.fixture
def company(make_home, tmp_path, scripted_engine):
    departments = (
        DepartmentSpec("hr", "HR", open=False),
        DepartmentSpec("travel", "Travel"),
        DepartmentSpec("it", "IT"),
    )
    mentee = make_home(departments=departments, engine=scripted_engine, built_in=BUILT_IN)
    mentee.departments.set_member("hr", f"user:{ADA.id}", member=True, actor="test")
    documents = Documents(mentee, actor="test")
    pages = {
        "severance.md": f"# Severance of directors\n\n{SENTENCE}\n",
        "board.md": f"# Travel of directors\n\n{SENTENCE} Directors fly business class.\n",
        "hotel.md": "# Hotels\n\nBook hotels in Concur below the rate, also for directors and their weeks away.\n",
        "laptop.md": "# Laptops\n\nA laptop plan lasts for many weeks; directors get the same.\n",
    }
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    documents.add([str(tmp_path / "severance.md")], "hr")
    documents.add([str(tmp_path / "hotel.md")], "travel")
    documents.add([str(tmp_path / "board.md")], "travel", readers=["group:board"])
    documents.add([str(tmp_path / "laptop.md")], "it")
    return mentee


async def ask(mentee, **values):
    question = Question(values.pop("text", ASKED), values.pop("person", BOB), **values)
    async with aclosing(mentee.pipeline.answer(question)) as events:
        shown = [event async for event in events]
    answer = next(event.answer for event in shown if isinstance(event, Done))
    mentee.pipeline.record(question, answer)
    return answer, repr(shown)


def recorded(mentee):
    """Everything in the database but the documents themselves."""
    with mentee.store.read() as session:
        return "".join(
            json.dumps([dict(row._mapping) for row in session.execute(select(table))], default=str)
            for name, table in Base.metadata.tables.items()
            if name != "documents"
        )


def everywhere(mentee, shown, logs):
    prompts = repr(mentee.engine.requests)
    return "\n".join([shown, prompts, recorded(mentee), repr(logs)])


@pytest.mark.parametrize(
    "values",
    [
        {"department": "travel"},
        {"department": "it"},
        {"departments": ("hr", "travel", "it"), "channel": "slack", "place": "C1"},
        {"department": "travel", "text": SENTENCE.replace(SECRET, "same")},
        {"department": "travel", "text": "and for how many weeks?", "history": (Turn(ASKED, "I don't know."),)},
    ],
    ids=["direct", "other-department", "mixed-channel", "verbatim", "follow-up"],
)
async def test_a_person_without_the_right_sees_nothing_of_it(company, values):
    audience = company.departments.audience_of(BOB)
    with capture_logs() as logs:
        _, shown = await ask(company, audience=audience, **values)
    assert SECRET not in everywhere(company, shown, logs)


async def test_a_mixed_channel_sees_only_what_all_of_it_may_see_even_if_a_member_asks(company):
    with capture_logs() as logs:
        answer, shown = await ask(
            company, person=ADA, audience=Audience(), departments=("hr", "travel"), channel="slack"
        )
    assert answer.department == "travel"
    assert SECRET not in everywhere(company, shown, logs)


async def test_the_closed_department_refuses_to_be_asked(company):
    with pytest.raises(ForbiddenError, match="HR"):
        await ask(company, department="hr", audience=company.departments.audience_of(BOB))


async def test_those_with_the_right_do_see_it(company):
    answer, _ = await ask(company, person=ADA, department="hr", audience=company.departments.audience_of(ADA))
    assert SECRET in repr(company.engine.requests) + answer.text
    board = Audience(frozenset({"everyone", "group:board"}))
    assert SECRET in company.retriever.search(ASKED, "travel", board)[0].text


async def test_employees_are_shown_no_scores(company):
    answer, shown = await ask(company, department="travel", audience=company.departments.audience_of(BOB))
    assert BOB.role is Role.EMPLOYEE
    assert answer.citations
    assert "score" not in repr(answer.citations)
    assert "relevance" not in repr(answer.citations)
    assert "score=" not in shown
