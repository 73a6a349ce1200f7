"""Votes and corrections: one current vote each, history kept, curated answers at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.domain.answers import Answer
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import InputFileError, MenteeError, NotFoundError
from bot.domain.feedback import Correction, Vote
from bot.domain.people import Audience, Person, Role
from bot.domain.questions import Question
from bot.feedback.transfer import export_votes, import_votes
from bot.storage.tables.access import PersonRow
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, VoteEventRow, VoteRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.testing.homes import Mentee


ADA, BOB = Person("user:ada"), Person("user:bob")
GUS = Person("user:gus", role=Role.AGENT)


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee]) -> Mentee:
    return make_mentee()


@pytest.fixture
def answer(mentee: Mentee) -> Answer:
    question = Question("Are hotels tax exempt?", ADA)
    given = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.recorder.record(question, given)
    return given


def test_an_agent_who_may_not_read_what_it_rests_on_proposes(make_mentee: Callable[..., Mentee]) -> None:
    closed = DepartmentSpec("board", "Board", open=False)
    mentee = make_mentee(departments=(closed,))
    question = Question("Are hotels tax exempt?", ADA)
    mentee.recorder.record(question, Answer(question.id, "Yes.", known=True, department="board", id="a_1"))
    opened, _ = mentee.escalations.open("a_1", ADA)
    assert not mentee.votes.correct(Correction("a_1", GUS, "In 12 states."))
    assert (rows(mentee, CuratedAnswerRow), mentee.escalations.get(opened.id).outcome) == ([], "")
    mentee.departments.set_member("board", "user:gus", member=True, actor="test")
    assert mentee.votes.correct(Correction("a_1", GUS, "In 12 states."))
    assert mentee.escalations.get(opened.id).outcome == "corrected"


def rows(mentee: Mentee, table: type[Any]) -> list[Any]:
    with mentee.store.read() as session:
        return list(session.scalars(select(table)))


def current(mentee: Mentee, answer: Answer, person: Person) -> str | None:
    vote = mentee.votes.current(answer.id, person.id)
    return vote.value if vote else None


def curated(mentee: Mentee, department: str, question: str) -> str | None:
    match = mentee.curated.find(mentee.departments.get(department), question, Audience()).answer
    return match.text if match else None


def test_the_last_vote_counts_and_every_change_is_kept(mentee: Mentee, answer: Answer) -> None:
    for value in ("up", "up", "down", None, "down"):
        mentee.votes.record(Vote(answer.id, ADA, value))
    mentee.votes.record(Vote(answer.id, BOB, "up"))
    assert current(mentee, answer, ADA) == "down"
    assert {(row.person_id, row.value) for row in rows(mentee, VoteRow)} == {("user:ada", "down"), ("user:bob", "up")}
    assert len(rows(mentee, VoteEventRow)) == 6


def test_a_vote_on_no_answer_is_refused(mentee: Mentee) -> None:
    with pytest.raises(NotFoundError, match="no answer 'a_forged'"):
        mentee.votes.record(Vote("a_forged", ADA, "up"))
    assert rows(mentee, VoteEventRow) == []


def test_an_employees_correction_waits_and_an_agents_is_live(mentee: Mentee, answer: Answer) -> None:
    assert not mentee.votes.correct(Correction(answer.id, ADA, "Only in 12 states."))
    assert rows(mentee, CuratedAnswerRow) == []
    assert mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    assert [row.text for row in rows(mentee, CuratedAnswerRow)] == ["In 12 states."]
    assert current(mentee, answer, GUS) == "down", "who corrects an answer did not like it"


def test_a_second_thought_replaces_the_first(mentee: Mentee, answer: Answer) -> None:
    mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    mentee.votes.correct(Correction(answer.id, GUS, "In 13 states."))
    assert curated(mentee, "travel", "Are hotels tax exempt?") == "In 13 states."
    assert len(rows(mentee, CuratedAnswerRow)) == 1


def test_a_curated_answer_stays_in_its_department(mentee: Mentee, answer: Answer) -> None:
    mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    assert curated(mentee, "it", "Are hotels tax exempt?") is None


def test_questions_about_other_numbers_are_other_questions(mentee: Mentee) -> None:
    question = Question("Where is the printer on floor 3?", ADA)
    given = Answer(question.id, "No idea.", known=True, department="it")
    mentee.recorder.record(question, given)
    mentee.votes.correct(Correction(given.id, GUS, "Next to the stairs."))
    assert curated(mentee, "it", "where is the printer on floor 3") == "Next to the stairs."
    assert curated(mentee, "it", "where is the printer on floor 4") is None


def test_an_empty_correction_is_refused(mentee: Mentee, answer: Answer) -> None:
    with pytest.raises(MenteeError, match="1 to 8,000 characters; this one has 0"):
        mentee.votes.correct(Correction(answer.id, GUS, "  "))


def test_plugins_hear_of_votes_after_they_are_kept(make_mentee: Callable[..., Mentee]) -> None:
    heard = []
    listener = make_plugin(
        on_vote_recorded=lambda vote, answer: heard.append((vote.value, answer.department)),
        on_correction_recorded=lambda correction: heard.append(correction.text),
    )
    mentee = make_mentee({"listener": listener})
    question = Question("q?", ADA)
    given = Answer(question.id, "Yes.", known=True, department="it")
    mentee.recorder.record(question, given)
    mentee.votes.record(Vote(given.id, ADA, "up"))
    mentee.votes.correct(Correction(given.id, GUS, "No."))
    assert heard == [("up", "it"), "No."]


LINE = {"question": "How do I cancel?", "answer": "You can't.", "vote": "down", "user": "u1", "department": "support"}


def write(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_import_is_repeatable_and_export_reads_back(mentee: Mentee, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {**LINE, "at": "2026-11-01T10:00:00Z"},
        {**LINE, "user": "u2", "vote": "up"},
        "",
        {**LINE, "user": "gus", "vote": None, "correction": "Press Cancel in your account.", "role": "agent"},
    )
    first, second = (
        import_votes(mentee.store, mentee.departments, path),
        import_votes(mentee.store, mentee.departments, path),
    )
    assert (first.rows, first.votes, first.corrections, first.unchanged) == (3, 2, 1, 0)
    assert (second.votes, second.corrections, second.unchanged) == (0, 0, 3)
    assert len(rows(mentee, AnswerRow)) == 1
    exported = list(export_votes(mentee.store, mentee.departments, "support"))
    assert [(row["user"], row["vote"]) for row in exported] == [
        ("import:gus", None),
        ("import:u1", "down"),
        ("import:u2", "up"),
    ]
    assert exported[1]["at"] == "2026-11-01T10:00:00+00:00"
    again = write(tmp_path, *exported)
    assert import_votes(mentee.store, mentee.departments, again).unchanged == 3
    assert curated(mentee, "support", "how do I cancel?") == "Press Cancel in your account."


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{not json", r"votes.jsonl, line 2 is not JSON"),
        ("[1, 2]", r"line 2 is \[1, 2\]"),
        ({**LINE, "vote": "sideways"}, r'line 2: "vote" is "sideways". Expected one of "up", "down", null'),
        ({**LINE, "question": ""}, r'line 2: "question" is ""'),
        ({key: value for key, value in LINE.items() if key != "user"}, r'line 2: "user" is missing'),
        (
            {**LINE, "department": "finance"},
            r"line 2: there is no department 'finance'. Departments: it, support, travel",
        ),
        ({**LINE, "answer": "half \ud800"}, "line 2 has a NUL or half a surrogate pair"),
        ({**LINE, "role": "boss"}, r'line 2: "role" is "boss"'),
        ({**LINE, "at": "yesterday"}, r"line 2: \"at\" is 'yesterday'"),
        ({**LINE, "correction": 5}, r'line 2: "correction" is 5'),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_imported(mentee: Mentee, tmp_path: Path, line: Any, problem: str) -> None:
    with pytest.raises(InputFileError, match=problem):
        import_votes(mentee.store, mentee.departments, write(tmp_path, LINE, line))
    assert (
        rows(mentee, AnswerRow) == rows(mentee, VoteRow) == rows(mentee, CorrectionRow) == rows(mentee, PersonRow) == []
    )


def test_a_file_that_is_no_text_or_not_there_or_empty_is_named(mentee: Mentee, tmp_path: Path) -> None:
    binary = tmp_path / "votes.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, problem in (
        (binary, "not UTF-8"),
        (tmp_path / "none.jsonl", "No such file"),
        (write(tmp_path), "no rows"),
    ):
        with pytest.raises(InputFileError, match=problem):
            import_votes(mentee.store, mentee.departments, path)


def test_an_imported_file_gives_nobody_rights_and_brings_nobody_removed_back(mentee: Mentee, tmp_path: Path) -> None:
    mentee.people.add("ann", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    mentee.people.remove("ann", actor="test")
    path = write(
        tmp_path,
        {**LINE, "user": "slack:UEVE", "role": "operator"},
        {**LINE, "user": "web:Ann", "role": "operator"},
    )
    assert import_votes(mentee.store, mentee.departments, path).votes == 2
    assert [row.role for row in rows(mentee, VoteRow)] == ["operator", "operator"]
    people = {account.id: account.role for account in mentee.people.all()}
    assert people["slack:UEVE"] is Role.EMPLOYEE
    assert "web:ann" not in people
