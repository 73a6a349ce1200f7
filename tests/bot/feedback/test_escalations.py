"""Questions handed to a person: who is told, who may resolve one, and that each thing happens once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bot.access.people import People
from bot.domain.answers import Answer
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ForbiddenError, NotFoundError
from bot.domain.feedback import Correction
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.delivery import OutboxRow
from bot.storage.tables.feedback import EscalationRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.homes import Mentee


ADA, BOB = Person("user:ada"), Person("user:bob")
GUS, EVE = Person("user:gus", role=Role.AGENT), Person("user:eve", role=Role.AGENT)
BOARD = DepartmentSpec("board", "Board", open=False)


def reachable(target: str) -> dict[str, str] | None:
    return {"to": target} if target.startswith(("user:", "room:")) else None


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee]) -> Mentee:
    mentee = make_mentee({"post": make_plugin(find_address=reachable)}, departments=("travel", BOARD))
    for person in (GUS, EVE):
        People(mentee.store).ensure(person)
    return mentee


def answered(mentee: Mentee, department: str = "travel", text: str = "Are hotels tax exempt?") -> str:
    question = Question(text, ADA, place="C1", thread="1.1", channel="post")
    answer = Answer(question.id, "Yes.", known=True, department=department)
    mentee.recorder.record(question, answer)
    return answer.id


def sent(mentee: Mentee) -> Any:
    """Return what is on its way, as (kind, to whom), in order."""
    with mentee.store.read() as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.created_at, OutboxRow.id))
        return sorted((row.kind, row.address["to"]) for row in rows)


def notes(*people: Any) -> Any:
    return [("escalation", person.id) for person in people]


def test_the_agents_who_may_ask_the_department_are_told(mentee: Mentee) -> None:
    found, new = mentee.escalations.open(answered(mentee), ADA)
    assert new
    assert found.told
    assert (found.question, found.answer, found.opened_by, found.outcome) == (
        "Are hotels tax exempt?", "Yes.", "user:ada", "",
    )  # fmt: skip
    assert sent(mentee) == notes(EVE, GUS)


def test_a_closed_departments_agents_are_its_members(mentee: Mentee) -> None:
    mentee.departments.set_member("board", "user:eve", member=True, actor="test")
    mentee.escalations.open(answered(mentee, "board"), ADA)
    assert sent(mentee) == notes(EVE)


def test_without_agents_the_operators_are_told_and_without_anybody_it_still_waits(mentee: Mentee) -> None:
    answer_id = answered(mentee, "board")
    found, _ = mentee.escalations.open(answer_id, ADA)
    assert not found.told
    assert [each.id for each in mentee.escalations.waiting(["board"])] == [found.id]
    assert mentee.escalations.waiting(["travel"]) == ()
    People(mentee.store).ensure(Person("user:olga", role=Role.OPERATOR))
    mentee.escalations.open(answered(mentee, "board", "And now?"), ADA)
    assert sent(mentee) == [("escalation", "user:olga")]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"escalations.owners": ["user:bob", "elsewhere:x"]}, "user:bob"),
        ({"escalations.channel": "room:help"}, "room:help"),
        ({"escalations.channel": "elsewhere:x", "escalations.owners": ["user:bob"]}, "user:bob"),
    ],
)
def test_a_department_says_who_is_told(mentee: Mentee, settings: Any, told: Any) -> None:
    mentee.departments.configure("travel", settings, actor="test")
    mentee.escalations.open(answered(mentee), ADA)
    assert sent(mentee) == [("escalation", told)]


def test_pressed_by_many_at_once_it_is_one(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda person: mentee.escalations.open(answer_id, person), [ADA, BOB] * 3))
    assert sum(new for _, new in opened) == 1
    assert len({found.id for found, _ in opened}) == 1
    assert sent(mentee) == notes(EVE, GUS)


def test_an_answer_that_is_gone_cannot_be_handed_on_and_takes_its_escalation_along(mentee: Mentee) -> None:
    with pytest.raises(NotFoundError, match="no longer exists"):
        mentee.escalations.open("a_none", ADA)
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    with mentee.store.write() as session:
        session.delete(session.get_one(AnswerRow, found.answer_id))
    assert mentee.escalations.waiting(["travel"]) == ()
    with pytest.raises(NotFoundError, match="no longer exists"):
        mentee.escalations.resolve(found.id, GUS, "closed")


def test_one_of_two_agents_resolves_it_and_the_asker_hears_once(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    with ThreadPoolExecutor(2) as pool:
        first = list(pool.map(lambda who: mentee.escalations.resolve(found.id, who, "replied", who.id), [GUS, EVE]))
    assert sorted(first) == [False, True]
    ended = mentee.escalations.get(found.id)
    assert (ended.outcome, ended.reply) == ("replied", ended.resolved_by)
    ends = [("escalation_end", "user:eve"), ("escalation_end", "user:gus")]
    assert sent(mentee) == sorted([*notes(EVE, GUS), *ends, ("escalation_reply", "user:ada")])
    assert mentee.escalations.waiting(["travel"]) == ()
    with mentee.store.read() as session:
        row = session.get_one(EscalationRow, found.id)
    assert row.state == "resolved"
    assert row.resolved_at is not None
    assert row.opened_at <= row.resolved_at <= now()


@pytest.mark.parametrize("person", [ADA, BOB])
def test_only_who_takes_the_questions_resolves_one(mentee: Mentee, person: Person) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    with pytest.raises(ForbiddenError, match="Only people who handle"):
        mentee.escalations.resolve(found.id, person, "closed")
    mentee.departments.configure("travel", {"escalations.owners": [person.id]}, actor="test")
    assert mentee.escalations.resolve(found.id, person, "closed")


def test_an_agent_outside_a_closed_department_takes_none_of_its_questions(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee, "board"), ADA)
    assert not mentee.escalations.may_resolve(GUS, "board")
    with pytest.raises(ForbiddenError):
        mentee.escalations.resolve(found.id, GUS, "closed")


def test_an_agents_correction_ends_it_with_the_correction(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    mentee.votes.correct(Correction(found.answer_id, BOB, "I think not."))
    assert mentee.escalations.get(found.id).outcome == "", "a proposal waits for an agent, and so does the asker"
    mentee.votes.correct(Correction(found.answer_id, GUS, "In 12 states."))
    ended = mentee.escalations.get(found.id)
    assert (ended.outcome, ended.resolved_by, ended.reply) == ("corrected", "user:gus", "In 12 states.")
    mentee.votes.correct(Correction(found.answer_id, EVE, "In 13 states."))
    assert mentee.escalations.get(found.id).reply == "In 12 states.", "that is what the asker was told"
    assert sent(mentee).count(("escalation_reply", "user:ada")) == 1


def test_a_reply_that_becomes_a_correction_is_counted_as_one(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    mentee.escalations.resolve(found.id, GUS, "replied", "In 12 states.")
    before = sent(mentee)
    mentee.votes.correct(Correction(found.answer_id, GUS, "In 12 states."))
    assert mentee.escalations.get(found.id).outcome == "corrected"
    assert sent(mentee) == before


def test_who_resolves_their_own_is_not_written_to(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), GUS)
    mentee.escalations.resolve(found.id, GUS, "replied", "I know it now.")
    assert "escalation_reply" not in {kind for kind, _ in sent(mentee)}


def test_what_waits_too_long_is_told_once_more(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    mentee.departments.configure("travel", {"escalations.remind_hours": 2}, actor="test")
    assert mentee.escalations.remind() == 0
    with mentee.store.write() as session:
        session.execute(update(EscalationRow).values(opened_at=now() - timedelta(hours=3)))
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(lambda _: mentee.escalations.remind(), range(3))) == 1
    assert mentee.escalations.remind() == 0
    reminders = [("escalation_reminder", person.id) for person in (EVE, GUS)]
    assert sent(mentee) == sorted([*notes(EVE, GUS), *reminders])
    mentee.escalations.resolve(found.id, GUS, "closed")
    assert [kind for kind, _ in sent(mentee)].count("escalation_end") == 2, "below the notes, not below the reminders"


def test_a_department_may_want_no_reminders(mentee: Mentee) -> None:
    mentee.departments.configure("travel", {"escalations.remind_hours": 0}, actor="test")
    mentee.escalations.open(answered(mentee), ADA)
    with mentee.store.write() as session:
        session.execute(update(EscalationRow).values(opened_at=now() - timedelta(days=30)))
    assert mentee.escalations.remind() == 0


def test_it_is_found_by_its_thread_and_by_its_notes(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    with mentee.store.write() as session:
        session.execute(update(OutboxRow).where(OutboxRow.kind == "escalation").values(reference="D9:7.7"))
    assert mentee.escalations.of_thread("post", "C1", "1.1") == mentee.escalations.get(found.id)
    assert mentee.escalations.of_note("user", "D9:7.7") == mentee.escalations.get(found.id)
    for elsewhere in [("post", "C2", "1.1"), ("post", "C1", "1.2"), ("web", "C1", "1.1")]:
        assert mentee.escalations.of_thread(*elsewhere) is None
    assert mentee.escalations.of_note("user", "D9:7.8") is None
    assert mentee.escalations.any_current()
    mentee.escalations.resolve(found.id, GUS, "closed")
    assert mentee.escalations.of_thread("post", "C1", "1.1") is None
    assert mentee.escalations.of_thread("post", "C1", "1.1", ended=True) == mentee.escalations.get(found.id)
    assert mentee.escalations.of_note("user", "D9:7.7") == mentee.escalations.get(found.id)
    assert mentee.escalations.get(found.id).outcome == "closed"
    assert mentee.escalations.any_current()
    with mentee.store.write() as session:
        session.execute(update(EscalationRow).values(resolved_at=now() - timedelta(hours=1)))
    assert mentee.escalations.of_thread("post", "C1", "1.1", ended=True) is None
    assert not mentee.escalations.any_current()


def test_a_department_is_handled_if_somebody_gets_its_questions(mentee: Mentee) -> None:
    def handled(department: str) -> tuple[bool, bool]:
        is_handled = mentee.escalations.is_handled
        return is_handled(department, at_desk=False), is_handled(department, at_desk=True)

    assert handled("travel") == (True, True)
    assert handled("board") == (False, False), "no agent may ask it"
    assert handled("gone") == (False, False)
    People(mentee.store).ensure(Person("web:olga", role=Role.OPERATOR))  # whom no channel reaches
    assert handled("board") == (False, True)
    mentee.departments.configure("board", {"escalations.channel": "room:help"}, actor="test")
    assert handled("board") == (True, True)


def test_what_was_posted_about_an_erased_question_is_withdrawn(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    mentee.escalations.open(answered(mentee, text="And trains?"), ADA)
    assert set(mentee.escalations.of_answers([found.answer_id, "a_none"])) == {found.answer_id}
    with mentee.store.write() as session:
        question = session.get_one(AnswerRow, found.answer_id).question_id
        mentee.escalations.withdraw(session, [question])
    assert [each for each in sent(mentee) if each[0] == "escalation_withdrawal"] == [
        ("escalation_withdrawal", "user:eve"), ("escalation_withdrawal", "user:gus"),
    ]  # fmt: skip


def test_who_was_removed_meanwhile_resolves_nothing(mentee: Mentee) -> None:
    found, _ = mentee.escalations.open(answered(mentee), ADA)
    gil = mentee.people.add("gil", role=Role.AGENT, password=None, actor="test")
    mentee.people.remove("gil", actor="test")
    with pytest.raises(ForbiddenError, match="removed"):
        mentee.escalations.corrected(found.answer_id, gil, "In 12 states.")
    assert mentee.escalations.get(found.id).outcome == ""


def test_the_metrics_count_what_is_open(mentee: Mentee) -> None:
    from bot.server.metrics import QueueCollector, exposition

    mentee.escalations.open(answered(mentee), ADA)
    assert (
        b'mentee_escalations_open{department="travel"} 1.0'
        in exposition(QueueCollector(mentee.inbox, mentee.outbox, mentee.escalations))[0]
    )
