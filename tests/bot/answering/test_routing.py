from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.record import delivery_payload
from bot.domain.departments import DepartmentSpec
from bot.domain.feedback import Vote
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks.calling.acting import Acted
from bot.testing.notes import NotesRetriever, make_plugin
from bot.testing.questions import ADA, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.domain.answers import Answer
    from bot.domain.people import Audience
    from bot.domain.questions import Turn
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee

LAPTOP = "A new laptop after five days?"


class RatingRetriever(NotesRetriever):
    """Finds notes, and rates departments as the test says."""

    def __init__(self, **rated: float) -> None:
        super().__init__()
        self.rated = rated

    def rate_departments(
        self,
        text: str,  # noqa: ARG002 - the test decides
        departments: Sequence[str],
        audience: Audience,  # noqa: ARG002
        *,
        history: Sequence[Turn] = (),  # noqa: ARG002
    ) -> Mapping[str, float]:
        return {name: value for name, value in self.rated.items() if name in departments}


@pytest.fixture
def rating(make_home: MakeHome, engine: ScriptedEngine) -> Callable[..., Mentee]:
    def make(*departments: str | DepartmentSpec, **rated: float) -> Mentee:
        retriever = RatingRetriever(**rated)
        return make_home(
            departments=departments or ("it", "travel"),
            engine=engine,
            built_in=(),
            extra_plugins={"notes": make_plugin(register_retriever=lambda: retriever)},
        )

    return make


async def routed(mentee: Mentee, text: str, **more: Any) -> str:
    question = Question(text, ADA, **{"audience": mentee.departments.audience_of(ADA), **more})
    route = await mentee.pipeline._router.route(question, Acted(), ())
    return route.department.name


def screen(mentee: Mentee, *answers: Answer) -> None:
    """Let the person's votes on these answers count."""
    found = (mentee.votes.current(each.id, ADA.id) for each in answers)
    mentee.votes.set_usable("it", [vote for vote in found if vote is not None])


async def test_the_department_that_is_rated_best_answers(rating: Callable[..., Mentee]) -> None:
    mentee = rating(it=0.2, travel=0.4)
    assert await routed(mentee, LAPTOP) == "travel"
    assert await routed(mentee, LAPTOP, departments=("it",)) == "it"


async def test_a_department_without_documents_comes_after_the_others(rating: Callable[..., Mentee]) -> None:
    assert await routed(rating("a", "travel", travel=-3.0), LAPTOP) == "travel"


async def test_an_example_decides_between_departments_that_fit_alike(rating: Callable[..., Mentee]) -> None:
    examples = DepartmentSpec("it", "IT", examples=("A new laptop after how many days?",))
    assert await routed(rating(examples, "travel", it=0.40, travel=0.45), LAPTOP) == "it"


async def test_a_question_whose_answer_is_liked_is_an_example(rating: Callable[..., Mentee]) -> None:
    mentee = rating(it=0.40, travel=0.45)
    assert await routed(mentee, LAPTOP) == "travel"
    question = Question(LAPTOP, ADA, department="it", audience=mentee.departments.audience_of(ADA))
    answer, _ = await ask(mentee, LAPTOP, department="it", id=question.id)
    mentee.recorder.record(question, answer)
    assert await routed(mentee, LAPTOP) == "travel"
    mentee.votes.record(Vote(answer.id, ADA, "up"))
    assert await routed(mentee, LAPTOP) == "travel", "it isn't screened yet"
    screen(mentee, answer)
    assert await routed(mentee, LAPTOP) == "it"
    mentee.votes.record(Vote(answer.id, ADA, "down"))
    assert await routed(mentee, LAPTOP) == "travel"


@pytest.mark.parametrize("change", [{"train_eligible": False}, {"person": Person("user:bob", "Bob")}])
async def test_only_texts_that_may_be_used_and_that_their_asker_liked(
    rating: Callable[..., Mentee], change: dict[str, Any]
) -> None:
    mentee = rating(it=0.40, travel=0.45)
    given = {"person": ADA, "department": "it", "audience": mentee.departments.audience_of(ADA), **change}
    question = Question(LAPTOP, **given)
    answer, _ = await ask(mentee, LAPTOP, department="it", id=question.id)
    mentee.recorder.record(question, answer)
    mentee.votes.record(Vote(answer.id, ADA, "up"))
    screen(mentee, answer)
    assert await routed(mentee, LAPTOP) == "travel"


async def test_one_person_gives_a_department_few_examples(rating: Callable[..., Mentee]) -> None:
    mentee = rating()
    assert mentee.history.liked(["it"], each=3, person=2) == {}
    answers = []
    for number in range(4):
        text = f"A new laptop after {number} days?"
        question = Question(text, ADA, department="it", audience=mentee.departments.audience_of(ADA))
        answer, _ = await ask(mentee, text, department="it", id=question.id)
        mentee.recorder.record(question, answer)
        mentee.votes.record(Vote(answer.id, ADA, "up"))
        answers.append(answer)
    screen(mentee, *answers)
    assert mentee.history.liked(["it"], each=3, person=2) == {
        "it": ("A new laptop after 3 days?", "A new laptop after 2 days?")
    }
    assert mentee.history.liked(["travel"], each=3, person=2) == {}


async def test_a_refusal_names_other_departments_that_seem_to_answer(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    refused, _ = await ask(mentee, LAPTOP, department="travel")
    assert not refused.known
    assert refused.provenance.elsewhere == ("it",)
    assert "elsewhere" in refused.provenance.timings
    assert "score" not in delivery_payload(refused)
    answered, _ = await ask(mentee, LAPTOP, department="it")
    assert answered.provenance.elsewhere == ()


async def test_it_names_none_that_the_asker_may_not_ask_or_read(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    audience = mentee.departments.audience_of(ADA)
    within, _ = await ask(mentee, LAPTOP, department="travel", departments=("travel", "support"))
    assert within.provenance.elsewhere == ()
    mentee.retriever.readers["it/laptops.md"] = frozenset({"user:bob"})  # type: ignore[attr-defined]
    unread, _ = await ask(mentee, LAPTOP, department="travel", audience=audience)
    assert unread.provenance.elsewhere == ()
    mentee.retriever.readers.clear()  # type: ignore[attr-defined]
    mentee.departments.configure("it", {"open": False}, actor="test")
    closed, _ = await ask(mentee, LAPTOP, department="travel")
    assert closed.provenance.elsewhere == ()


async def test_what_a_guard_refuses_is_offered_nowhere(make_mentee: Callable[..., Mentee]) -> None:
    from bot.domain.answers import Verdict

    guard = make_plugin(check_answer=lambda: Verdict(ok=False, reason="no"))
    refused, _ = await ask(make_mentee({"strict": guard}), "Are hotels tax exempt?", department="travel")
    assert not refused.known
    assert refused.provenance.elsewhere == ()
