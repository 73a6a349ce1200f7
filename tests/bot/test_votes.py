"""Votes and corrections: one current vote each, history kept, curated answers at once."""

import json

import pytest
from sqlalchemy import select

from bot.errors import InputFileError, MenteeError, NotFoundError
from bot.messages import Answer, Correction, Person, Question, Role, Vote
from bot.store.models import AnswerRow, CorrectionRow, CuratedAnswerRow, PersonRow, VoteEventRow, VoteRow
from bot.testing.notes import make_plugin
from bot.votes_file import export_votes, import_votes

ADA, BOB = Person("user:ada"), Person("user:bob")
GUS = Person("user:gus", role=Role.AGENT)


@pytest.fixture
def mentee(make_mentee):
    return make_mentee()


@pytest.fixture
def answer(mentee):
    question = Question("Are hotels tax exempt?", ADA)
    given = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.pipeline.record(question, given)
    return given


def rows(mentee, table):
    with mentee.store.read() as session:
        return list(session.scalars(select(table)))


def test_the_last_vote_counts_and_every_change_is_kept(mentee, answer):
    for value in ("up", "up", "down", None, "down"):
        mentee.votes.record(Vote(answer.id, ADA, value))
    mentee.votes.record(Vote(answer.id, BOB, "up"))
    assert mentee.votes.current(answer.id, ADA.id).value == "down"
    assert {(row.person_id, row.value) for row in rows(mentee, VoteRow)} == {("user:ada", "down"), ("user:bob", "up")}
    assert len(rows(mentee, VoteEventRow)) == 6


def test_a_vote_on_no_answer_is_refused(mentee):
    with pytest.raises(NotFoundError, match="no answer 'a_forged'"):
        mentee.votes.record(Vote("a_forged", ADA, "up"))
    assert rows(mentee, VoteEventRow) == []


def test_an_employees_correction_waits_and_an_agents_is_live(mentee, answer):
    assert not mentee.votes.correct(Correction(answer.id, ADA, "Only in 12 states."))
    assert rows(mentee, CuratedAnswerRow) == []
    assert mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    assert [row.text for row in rows(mentee, CuratedAnswerRow)] == ["In 12 states."]
    assert mentee.votes.current(answer.id, GUS.id).value == "down", "who corrects an answer did not like it"


def test_a_second_thought_replaces_the_first(mentee, answer):
    mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    mentee.votes.correct(Correction(answer.id, GUS, "In 13 states."))
    assert mentee.votes.curated(mentee.departments.get("travel"), "Are hotels tax exempt?").text == "In 13 states."
    assert len(rows(mentee, CuratedAnswerRow)) == 1


def test_a_curated_answer_stays_in_its_department(mentee, answer):
    mentee.votes.correct(Correction(answer.id, GUS, "In 12 states."))
    assert mentee.votes.curated(mentee.departments.get("it"), "Are hotels tax exempt?") is None


def test_questions_about_other_numbers_are_other_questions(mentee):
    question = Question("Where is the printer on floor 3?", ADA)
    given = Answer(question.id, "No idea.", known=True, department="it")
    mentee.pipeline.record(question, given)
    mentee.votes.correct(Correction(given.id, GUS, "Next to the stairs."))
    department = mentee.departments.get("it")
    assert mentee.votes.curated(department, "where is the printer on floor 3").text == "Next to the stairs."
    assert mentee.votes.curated(department, "where is the printer on floor 4") is None


def test_an_empty_correction_is_refused(mentee, answer):
    with pytest.raises(MenteeError, match="1 to 8,000 characters; this one has 0"):
        mentee.votes.correct(Correction(answer.id, GUS, "  "))


def test_plugins_hear_of_votes_after_they_are_kept(make_mentee):
    heard = []
    listener = make_plugin(
        on_vote_recorded=lambda vote, answer: heard.append((vote.value, answer.department)),
        on_correction_recorded=lambda correction: heard.append(correction.text),
    )
    mentee = make_mentee({"listener": listener})
    question = Question("q?", ADA)
    given = Answer(question.id, "Yes.", known=True, department="it")
    mentee.pipeline.record(question, given)
    mentee.votes.record(Vote(given.id, ADA, "up"))
    mentee.votes.correct(Correction(given.id, GUS, "No."))
    assert heard == [("up", "it"), "No."]


LINE = {"question": "How do I cancel?", "answer": "You can't.", "vote": "down", "user": "u1", "department": "support"}


def write(tmp_path, *lines):
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_import_is_repeatable_and_export_reads_back(mentee, tmp_path):
    path = write(
        tmp_path,
        {**LINE, "at": "2026-11-01T10:00:00Z"},
        {**LINE, "user": "u2", "vote": "up"},
        "",
        {**LINE, "user": "gus", "vote": None, "correction": "Press Cancel in your account.", "role": "agent"},
    )
    first, second = import_votes(mentee, path), import_votes(mentee, path)
    assert (first.rows, first.votes, first.corrections, first.unchanged) == (3, 2, 1, 0)
    assert (second.votes, second.corrections, second.unchanged) == (0, 0, 3)
    assert len(rows(mentee, AnswerRow)) == 1
    exported = list(export_votes(mentee, "support"))
    assert [(row["user"], row["vote"]) for row in exported] == [
        ("import:gus", None),
        ("import:u1", "down"),
        ("import:u2", "up"),
    ]
    assert exported[1]["at"] == "2026-11-01T10:00:00+00:00"
    again = write(tmp_path, *exported)
    assert import_votes(mentee, again).unchanged == 3
    curated = mentee.votes.curated(mentee.departments.get("support"), "how do I cancel?")
    assert curated.text == "Press Cancel in your account."


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
        ({**LINE, "role": "boss"}, r'line 2: "role" is "boss"'),
        ({**LINE, "at": "yesterday"}, r"line 2: \"at\" is 'yesterday'"),
        ({**LINE, "correction": 5}, r'line 2: "correction" is 5'),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_imported(mentee, tmp_path, line, problem):
    with pytest.raises(InputFileError, match=problem):
        import_votes(mentee, write(tmp_path, LINE, line))
    assert (
        rows(mentee, AnswerRow) == rows(mentee, VoteRow) == rows(mentee, CorrectionRow) == rows(mentee, PersonRow) == []
    )


def test_a_file_that_is_no_text_or_not_there_or_empty_is_named(mentee, tmp_path):
    binary = tmp_path / "votes.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, problem in (
        (binary, "not UTF-8"),
        (tmp_path / "none.jsonl", "No such file"),
        (write(tmp_path), "no rows"),
    ):
        with pytest.raises(InputFileError, match=problem):
            import_votes(mentee, path)
