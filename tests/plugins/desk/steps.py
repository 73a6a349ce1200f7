"""What tests of the desk do again and again."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from bot.domain.answers import Answer, Citation
from bot.domain.departments import DepartmentSpec
from bot.domain.feedback import Correction
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Question
from plugins.web.testing.fixtures import IT, TRAVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from bot.app import Mentee
    from bot.testing.serving import ServedHome
    from plugins.web.testing.fixtures import MakeWeb

    Client = Callable[[str], httpx2.Client]

BOARD = DepartmentSpec("board", "Board", open=False)
ADA, BOB = Person("web:ada"), Person("web:bob")
PAGE = "travel/lodging.md"


def staffed(make_web: MakeWeb, settings: dict[str, dict[str, object]] | None = None) -> Mentee:
    """Make a home with ada and bob, employees, gus, an agent of travel, eve, an agent, and olga, an operator."""
    mentee = make_web({"web": {"sign_in": "password"}, **(settings or {})}, departments=(TRAVEL, IT, BOARD))
    roles = {"eve": Role.AGENT, "olga": Role.OPERATOR}
    for name in ("ada", "bob", "gus", "eve", "olga"):
        mentee.people.add(name, role=roles.get(name, Role.EMPLOYEE), password=None, actor="test")
    mentee.people.set_role("gus", Role.AGENT, department="travel", actor="test")
    return mentee


def answered(home: ServedHome, text: str = "Are hotels taxed?", department: str = "travel", said: str = "No.") -> str:
    question = Question(text, ADA, channel="web", thread="conversation-1")
    citation = Citation(1, PAGE, "Lodging › Taxes", "Hotels are tax exempt in 12 states.")
    rests_on = (Basis(department), Basis(department, PAGE)) if department == "travel" else (Basis(department),)
    citations = (citation,) if department == "travel" else ()
    answer = Answer(question.id, said, known=True, department=department, citations=citations, rests_on=rests_on)
    home.mentee.recorder.record(question, answer)
    return answer.id


def propose(home: ServedHome, answer_id: str, text: str = "In 12 states.", person: Person = ADA) -> str:
    home.mentee.votes.correct(Correction(answer_id, person, text))
    olga = home.mentee.people.get("web:olga")
    return next(each.id for each in home.mentee.reviews.queue(olga) if each.text == text)


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found is not None, page
    return unescape(found[1])
