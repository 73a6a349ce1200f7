"""What waits for an agent: who sees it, in which order, and that each thing is decided once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.access.people import People
from bot.domain.answers import Answer
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Attachment, Question
from bot.feedback.transfer import export_votes
from bot.storage.tables.feedback import RejectionRow
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.feedback.waiting import Waiting
    from bot.storage.tables.answers import AnswerRow
    from bot.testing.homes import Mentee

ADA, BOB = Person("user:ada"), Person("user:bob")
GUS = Person("user:gus", roles=frozenset({("travel", Role.AGENT)}))
EVE, OLGA = Person("user:eve", role=Role.AGENT), Person("user:olga", role=Role.OPERATOR)
BOARD = DepartmentSpec("board", "Board", open=False)
PAGE = "travel/lodging.md"


@pytest.fixture
def retriever() -> NotesRetriever:
    return NotesRetriever()


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee], retriever: NotesRetriever) -> Mentee:
    notes = {"notes": make_plugin(register_retriever=lambda: retriever)}
    mentee = make_mentee(notes, departments=("it", "travel", BOARD))
    for person in (ADA, BOB, GUS, EVE, OLGA):
        People(mentee.store).ensure(person)
    return mentee


def answered(mentee: Mentee, text: str = "Are hotels taxed?", department: str = "travel", *, page: str = "") -> str:
    question = Question(text, ADA)
    rests_on = (Basis(department), Basis(department, page)) if page else (Basis(department),)
    answer = Answer(question.id, "Yes.", known=True, department=department, rests_on=rests_on)
    mentee.recorder.record(question, answer)
    return answer.id


def propose(mentee: Mentee, answer_id: str, text: str = "In 12 states.", person: Person = ADA) -> Waiting:
    assert not mentee.votes.correct(Correction(answer_id, person, text))
    return next(each for each in mentee.reviews.queue(OLGA) if each.text == text)


def queue(mentee: Mentee, person: Person) -> list[tuple[str, str]]:
    return [(each.kind, each.answer_id) for each in mentee.reviews.queue(person)]


def test_proposals_wait_first_then_escalations_then_votes(mentee: Mentee) -> None:
    voted, escalated, first, second = [answered(mentee, f"Question {number}?") for number in range(4)]
    mentee.votes.record(Vote(voted, BOB, "down", "wrong"))
    mentee.escalations.open(escalated, BOB)
    mentee.votes.record(Vote(escalated, BOB, "down", "wrong"))
    propose(mentee, first)
    propose(mentee, second, "In 13 states.")
    propose(mentee, second, "In 14 states.", BOB)
    assert queue(mentee, GUS) == [
        ("proposal", first), ("proposal", second), ("proposal", second), ("escalation", escalated), ("vote", voted),
    ]  # fmt: skip


def test_agents_judge_in_their_departments_only(mentee: Mentee) -> None:
    travel, it, board = answered(mentee), answered(mentee, department="it"), answered(mentee, department="board")
    items = [propose(mentee, each, f"About {each}.") for each in (travel, it, board)]
    assert queue(mentee, ADA) == []
    assert queue(mentee, GUS) == [("proposal", travel)]
    assert queue(mentee, EVE) == [("proposal", travel), ("proposal", it)], "she is no member of the board"
    assert queue(mentee, OLGA) == [("proposal", each) for each in (travel, it, board)]
    for person, item in ((ADA, items[0]), (GUS, items[1]), (EVE, items[2])):
        with pytest.raises(ForbiddenError):
            mentee.reviews.reject(item, person, "It stands.")
        with pytest.raises(NotFoundError):
            mentee.reviews.judged(person, item.id)


def test_an_answer_waits_only_for_those_who_may_read_its_pages(mentee: Mentee, retriever: NotesRetriever) -> None:
    item = propose(mentee, answered(mentee, page=PAGE))
    assert len(queue(mentee, GUS)) == 1
    retriever.readers[PAGE] = frozenset({"user:eve"})
    assert (len(queue(mentee, GUS)), len(queue(mentee, EVE)), len(queue(mentee, OLGA))) == (0, 1, 1)
    with pytest.raises(ForbiddenError):
        mentee.reviews.reject(item, GUS, "It stands.")
    retriever.notes = {}
    assert (len(queue(mentee, EVE)), len(queue(mentee, OLGA))) == (0, 1), "only operators see what lost its pages"


def test_what_an_agent_may_not_read_hides_nothing_else(
    mentee: Mentee, retriever: NotesRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever.readers[PAGE] = frozenset({"user:eve"})
    for number in range(5):
        propose(mentee, answered(mentee, f"Question {number}?", page=PAGE), f"Text {number}.")
    last = propose(mentee, answered(mentee))
    monkeypatch.setattr("bot.feedback.reviews.QUEUE", 2)
    assert queue(mentee, GUS) == [("proposal", last.answer_id)]


def test_what_was_made_from_somebodys_file_waits_for_nobody(mentee: Mentee) -> None:
    question = Question("What does it say?", ADA, attachments=(Attachment("plan.txt", (("", "Secret."),)),))
    answer = Answer(question.id, "Secret.", known=True, department="travel")
    mentee.recorder.record(question, answer)
    mentee.votes.correct(Correction(answer.id, ADA, "Nothing."))
    assert queue(mentee, OLGA) == []


def test_an_accepted_proposal_is_live_and_no_longer_waits(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))
    other = propose(mentee, item.answer_id, "In no state.", BOB)
    assert mentee.votes.correct(Correction(item.answer_id, GUS, item.text), judging=item)
    assert queue(mentee, GUS) == [], "the other proposal was made before"
    assert [each.text for each in mentee.curated.all("travel")] == ["In 12 states."]
    answer_id, judged = mentee.reviews.judged(EVE, other.id)
    assert judged is not None
    assert (answer_id, judged.outcome, judged.person_id) == (item.answer_id, "corrected", GUS.id)

    later = propose(mentee, item.answer_id, "In 20 states.", BOB)
    assert queue(mentee, GUS) == [("proposal", later.answer_id)]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2_001])
def test_a_rejection_needs_a_reason(mentee: Mentee, reason: str) -> None:
    item = propose(mentee, answered(mentee))
    with pytest.raises(MenteeError, match="1 to 2,000"):
        mentee.reviews.reject(item, GUS, reason)
    assert len(queue(mentee, GUS)) == 1


def test_a_rejected_proposal_waits_again_once_it_is_changed(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))
    mentee.reviews.reject(item, GUS, " The page says so. ")
    assert queue(mentee, GUS) == [], "the vote of who proposed it waits no more than their proposal"
    _, judged = mentee.reviews.judged(EVE, item.id)
    assert judged is not None
    assert (judged.outcome, judged.text) == ("rejected", "The page says so.")

    propose(mentee, item.answer_id, "In 13 states.")
    assert queue(mentee, GUS) == [("proposal", item.answer_id)]
    mentee.votes.record(Vote(item.answer_id, BOB, "down", "wrong"))
    assert queue(mentee, GUS) == [("proposal", item.answer_id)], "once per answer"


def test_votes_that_an_agent_has_rejected_wait_again_after_another_one(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    mentee.votes.record(Vote(answer_id, BOB, "down", "outdated"))
    assert [each.reason for each in mentee.reviews.votes_down(answer_id)] == ["outdated"]
    mentee.reviews.reject(mentee.reviews.queue(GUS)[0], GUS, "It is right.")
    assert queue(mentee, GUS) == []
    mentee.votes.record(Vote(answer_id, ADA, "down", "wrong"))
    assert queue(mentee, GUS) == [("vote", answer_id)]
    assert [each.reason for each in mentee.reviews.votes_down(answer_id)] == ["wrong"], "Bob's was judged"


def test_a_vote_that_came_while_an_agent_read_is_read_before_it_is_judged(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    mentee.votes.record(Vote(answer_id, BOB, "down", "wrong"))
    (item,) = mentee.reviews.queue(GUS)
    mentee.votes.record(Vote(answer_id, ADA, "down", "unsafe", "It names a patient."))
    with pytest.raises(ConflictError, match="Somebody else voted"):
        mentee.reviews.reject(item, GUS, "It is right.")
    assert mentee.votes.correct(Correction(answer_id, GUS, "In 12 states."), judging=item), "which mends it for both"


def test_who_votes_down_once_more_after_their_proposal_was_rejected_is_heard(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))
    mentee.reviews.reject(item, GUS, "The page says so.")
    mentee.votes.record(Vote(item.answer_id, ADA, "down", "wrong", "The page is wrong, then."))
    assert queue(mentee, GUS) == [("vote", item.answer_id)]
    mentee.reviews.reject(mentee.reviews.queue(GUS)[0], GUS, "It is right.")
    assert queue(mentee, GUS) == []


def test_what_was_rejected_waits_in_no_list(mentee: Mentee) -> None:
    first, second = propose(mentee, answered(mentee)), propose(mentee, answered(mentee, "And trains?"), "In 13 states.")
    mentee.votes.record(Vote(second.answer_id, BOB, "down", "outdated"))
    since = now() - timedelta(minutes=1)
    for item in (first, second):
        mentee.reviews.reject(item, GUS, "It stands.")
    (waiting,) = mentee.reviews.waiting(["travel"], limit=9)
    assert (waiting.answer_id, waiting.downs, waiting.reasons) == (second.answer_id, 1, ("outdated",))
    assert not waiting.proposed
    assert mentee.reviews.proposals(second.answer_id, limit=9) == ()
    assert [each.reason for each in mentee.reviews.complaints(["travel"], since=since)] == ["outdated"]
    said = [(row["user"], row.get("correction")) for row in export_votes(mentee.store, mentee.departments)]
    assert said == [(BOB.id, None)]


def test_of_two_agents_at_once_one_decides(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))

    def accept() -> bool:
        try:
            return mentee.votes.correct(Correction(item.answer_id, GUS, "In 12."), judging=item)
        except ConflictError:
            return False

    def reject() -> bool:
        try:
            mentee.reviews.reject(item, EVE, "It stands.")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        done = [each.result() for each in [threads.submit(work) for work in (accept, reject, accept, reject)]]
    assert sum(done) == 1


def test_a_proposal_that_was_changed_meanwhile_is_not_accepted_unread(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))
    propose(mentee, item.answer_id, "In 13 states.")
    with pytest.raises(ConflictError, match="changed"):
        mentee.votes.correct(Correction(item.answer_id, GUS, item.text), judging=item)
    with pytest.raises(ConflictError, match="changed"):
        mentee.reviews.reject(item, GUS, "It stands.")
    assert mentee.curated.all("travel") == ()


def test_what_was_erased_while_an_agent_decided_is_not_found(mentee: Mentee, monkeypatch: pytest.MonkeyPatch) -> None:
    item = propose(mentee, answered(mentee))
    may_judge = mentee.reviews._may_judge

    def erased_after(person: Person, answer: AnswerRow) -> bool:
        allowed = may_judge(person, answer)
        mentee.erasing.person(ADA.id, actor="test")
        return allowed

    monkeypatch.setattr(mentee.reviews, "_may_judge", erased_after)
    with pytest.raises(NotFoundError, match="no longer exists"):
        mentee.reviews.reject(item, GUS, "It stands.")


def test_a_closed_escalation_says_how_it_ended(mentee: Mentee) -> None:
    escalation, _ = mentee.escalations.open(answered(mentee), ADA)
    (item,) = mentee.reviews.queue(GUS)
    assert item.id == escalation.id
    mentee.escalations.resolve(escalation.id, EVE, "replied", "It is taxed.")
    assert queue(mentee, GUS) == []
    _, judged = mentee.reviews.judged(GUS, item.id)
    assert judged is not None
    assert (judged.outcome, judged.person_id, judged.text) == ("replied", EVE.id, "It is taxed.")


def test_erasing_an_agent_erases_their_reasons(mentee: Mentee) -> None:
    item = propose(mentee, answered(mentee))
    mentee.reviews.reject(item, GUS, "Because the heron said so in blue.")
    erased = mentee.erasing.person(GUS.id, actor="test")
    assert erased.left == ()
    with mentee.store.read() as session:
        assert session.query(RejectionRow).all() == []
    assert queue(mentee, EVE) == [("proposal", item.answer_id)], "what nobody has decided waits"
