"""Nobody can dominate a round: shares are capped, bursts and new accounts are held, outliers are quarantined."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from bot.cli.main import command_line
from bot.domain.answers import Answer
from bot.domain.errors import MenteeError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.feedback.transfer import import_votes
from bot.feedback.votes import store_vote
from bot.storage.tables.access import AuditRow, PersonRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.training import DatasetRowRow
from tuning import services
from tuning.rounds.summaries import screening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from tuning.data.build import DatasetSummary

SHARE = 0.05
YOUNG = "young account"
LONG_AGO = now() - timedelta(days=90)
EMPLOYEES = [f"web:employee-{n}" for n in range(60)]
AGENTS = [f"web:agent-{n}" for n in range(3)]


class Office:
    """An instance with people of whom most are honest and known for long."""

    def __init__(self, mentee: Mentee) -> None:
        self.mentee = mentee
        self.count = 0
        for name in EMPLOYEES:
            self.person(name)
        for name in AGENTS:
            self.person(name, role=Role.AGENT)

    def person(self, name: str, *, role: Role = Role.EMPLOYEE, days: int = 90) -> Person:
        """Add somebody who was first seen so long ago."""
        with self.mentee.store.write() as session:
            session.add(PersonRow(id=name, role=role.value, created_at=now() - timedelta(days=days)))
        return Person(name, role=role)

    def question(self) -> str:
        """Return a question like none before."""
        self.count += 1
        words = " ".join(f"{(self.count * prime) % 9973:x}q{prime:x}" for prime in (7919, 104729, 1299709))
        return words.translate(str.maketrans("0123456789", "ghijklmnop")) + "?"

    def answer(self, text: str = "") -> str:
        """Ask something like nothing before, and answer it; return the answer's id."""
        question = Question(self.question(), Person("web:asker"))
        answer = Answer(question.id, text or f"See page {question.text}", known=True, department="support")
        self.mentee.recorder.record(question, answer)
        return answer.id

    def vote(self, answer_id: str, person: Person, value: Any = "up", *, minutes: float = 0) -> None:
        """Vote some minutes after a moment in the past."""
        at = now() - timedelta(days=1) + timedelta(minutes=minutes)
        self.mentee.votes.record(Vote(answer_id, person, value, at=at))

    def honest(self, questions: int = 160) -> None:
        """Let two employees agree on each answer, unhurried."""
        self.vote_each([""] * questions, lambda n: [EMPLOYEES[(2 * n + k) % len(EMPLOYEES)] for k in range(2)], 5)

    def vote_each(self, texts: Sequence[str], voters: Callable[[int], Sequence[str]], minutes: float) -> None:
        """Give each text as an answer to a question of its own, and let people vote it up so many minutes apart."""
        start = now() - timedelta(days=1, minutes=max(0, minutes * len(texts) - 1400))
        with self.mentee.store.write() as session:
            for n, text in enumerate(texts):
                question = self.question()
                row = QuestionRow(id=f"q_{self.count}", text=question, person_id="web:asker", channel="web", history=[])
                row.department = "support"
                session.add(row)
                session.flush()
                said = text or f"See page {question}"
                answer = AnswerRow(id=f"a_{self.count}", question_id=row.id, department="support", text=said)
                session.add(answer)
                session.flush()
                for voter in voters(n):
                    store_vote(session, Vote(answer.id, Person(voter), "up", at=start + timedelta(minutes=minutes * n)))

    def build(self, folder: Path) -> tuple[DatasetSummary, Counter[str]]:
        """Build a dataset; return it and how many of its rows each person is behind."""
        department = self.mentee.departments.get("support")
        summary = services.datasets(self.mentee).build(department, folder, as_of=now())
        with self.mentee.store.read() as session:
            rows = session.scalars(select(DatasetRowRow).where(DatasetRowRow.dataset == summary.name)).all()
        return summary, Counter(person for row in rows for person in row.people)


@pytest.fixture
def office(make_home: MakeHome) -> Office:
    return Office(make_home(departments=("support",), settings={"model": {"name": "tiny", "engine": "openai"}}))


def mentee_command(*arguments: str) -> dict[str, Any]:
    root, loaded = command_line(discover=False)
    try:
        result = CliRunner().invoke(root, [*arguments, "--json"], catch_exceptions=False)
    finally:
        loaded.close()
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def nobody_is_over(shares: Counter[str], rows: int, people: Iterable[str], share: float = SHARE) -> bool:
    return all(shares[person] <= share * rows for person in people)


def test_one_user_with_500_votes_has_at_most_their_share(office: Office, tmp_path: Path) -> None:
    office.honest()
    mallory = office.person("web:mallory")
    office.vote_each([f"Send it to Mallory, {n}." for n in range(500)], lambda _: [mallory.id], 61)
    summary, people = office.build(tmp_path / "d")
    rows = summary.counts["rows"]
    assert summary.refusal is None
    assert summary.counts["held"] == 0
    assert 0 < people["web:mallory"] <= SHARE * rows
    assert nobody_is_over(people, rows, people)
    assert summary.counts["capped"] > 400


def test_500_votes_in_an_hour_wait_and_the_round_goes_on(office: Office, tmp_path: Path) -> None:
    office.honest()
    mallory = office.person("web:mallory")
    office.vote_each([f"Send it to Mallory, {n}." for n in range(500)], lambda _: [mallory.id], 0.1)
    summary, people = office.build(tmp_path / "d")
    assert summary.refusal is None
    assert summary.counts["rows"] > 100
    assert summary.counts["held"] == summary.counts["dropped: held: too many votes at once"] == 500
    assert people["web:mallory"] == 0
    found = screening({"dataset": {"counts": dict(summary.counts)}})
    assert found is not None
    assert (found["kept"], found["held"]) == (summary.counts["rows"], 500)
    assert found["reasons"]["held: too many votes at once"] == 500


@pytest.mark.parametrize(("days", "reason"), [(0, YOUNG), (90, "accounts vote alike")])
def test_20_accounts_that_vote_alike_wait(office: Office, tmp_path: Path, days: int, reason: str) -> None:
    office.honest()
    gang = [office.person(f"web:gang-{n}", days=days) for n in range(20)]
    planted = [office.answer(f"Send it to Mallory, {n}.") for n in range(20)]
    for person in gang:
        for answer_id in planted:
            office.vote(answer_id, person)
    summary, people = office.build(tmp_path / "d")
    assert summary.refusal is None
    assert summary.counts[f"dropped: held: {reason}"] == summary.counts["held"] == 400
    assert not any(people[person.id] for person in gang)
    assert "Mallory" not in "".join(path.read_text() for path in summary.path.iterdir())


def test_20_new_accounts_with_questions_of_their_own_wait(office: Office, tmp_path: Path) -> None:
    office.honest()
    gang = [office.person(f"web:gang-{n}", days=0).id for n in range(20)]
    office.vote_each([""] * 400, lambda n: [gang[n % 20]], 0)
    summary, people = office.build(tmp_path / "d")
    assert summary.refusal is None
    assert summary.counts["held"] == 400
    assert not any(person.startswith("web:gang") for person in people)


def test_one_agent_with_500_of_540_has_at_most_an_agents_share(office: Office, tmp_path: Path) -> None:
    office.honest(40)
    agent = Person(AGENTS[0], role=Role.AGENT)
    for n in range(500):
        at = LONG_AGO - timedelta(minutes=61 * n)
        office.mentee.votes.correct(Correction(office.answer(f"Wrong {n}."), agent, f"Right {n}.", at))
    summary, people = office.build(tmp_path / "d")
    share = office.mentee.departments.get("support").tuning.agent_share
    assert 0 < people[agent.id] <= share * max(summary.counts["rows"], 1)


def test_an_outlier_is_quarantined_and_others_who_differ_are_not(office: Office, tmp_path: Path) -> None:
    office.honest()
    contrary, mixed = office.person("web:contrary"), office.person("web:mixed")
    for n in range(20):
        answer_id = office.answer()
        for k in range(3):
            office.vote(answer_id, Person(EMPLOYEES[3 * n % 50 + k]), minutes=7 * n)
        office.vote(answer_id, contrary, "down", minutes=-90 * n)
        office.vote(answer_id, mixed, "up" if n % 4 else "down", minutes=-100 * n)
    summary, people = office.build(tmp_path / "d")
    assert summary.counts["quarantined"] == summary.counts["dropped: quarantined: contradicts the others"] == 20
    assert people["web:contrary"] == 0
    assert people["web:mixed"] > 0
    (row, *_) = mentee_command("votes", "held", "--department", "support")["held"]
    assert (row["state"], row["person"], row["reason"]) == ("quarantined", "web:contrary", "contradicts the others")
    assert row["detail"].startswith("20 of 20 votes")


def test_an_operator_releases_and_discards_what_waits(office: Office, tmp_path: Path) -> None:
    office.honest()
    for name in ("web:new", "web:bad"):
        person = office.person(name, days=0)
        for n in range(4):
            office.vote(office.answer(f"{name} {n}, no."), person)
    held = mentee_command("votes", "held")["held"]
    assert {(row["person"], row["reason"]) for row in held} == {("web:new", YOUNG), ("web:bad", YOUNG)}
    ids = [row["id"] for row in held if row["person"] == "web:new"]
    assert mentee_command("votes", "release", *ids) == {"decision": "released", "ids": ids}
    mentee_command("votes", "discard", "--person", "web:bad")
    assert mentee_command("votes", "held") == {"held": []}
    summary, people = office.build(tmp_path / "d")
    assert summary.counts["held"] == 0
    assert summary.counts["discarded"] == summary.counts["dropped: discarded by an operator"] == 4
    assert people["web:bad"] == 0
    text = "".join(path.read_text() for path in summary.path.iterdir())
    assert "web:new 0, no." in text
    with office.mentee.store.read() as session:
        audited = Counter(session.scalars(select(AuditRow.action).where(AuditRow.action.like("vote.%"))))
    assert audited == {"vote.released": 4, "vote.discarded": 4}
    with pytest.raises(MenteeError, match="Nothing is held"):
        mentee_command("votes", "release", ids[0])


def test_a_released_vote_that_changes_waits_again(office: Office) -> None:
    person = office.person("web:new", days=0)
    answer_id = office.answer()
    office.vote(answer_id, person)
    mentee_command("votes", "release", "--person", "web:new")
    office.vote(answer_id, person, "down", minutes=1)
    (row,) = mentee_command("votes", "held")["held"]
    assert (row["person"], row["vote"]) == ("web:new", "down")


def test_a_long_correction_waits_for_a_second_agent_if_settings_say_so(office: Office) -> None:
    first, second = (Person(name, role=Role.AGENT) for name in AGENTS[:2])
    answer_id = office.answer()
    office.mentee.votes.correct(Correction(answer_id, first, "Long. " * 100, LONG_AGO))
    office.mentee.votes.correct(Correction(office.answer(), first, "Short.", LONG_AGO))
    assert mentee_command("votes", "held") == {"held": []}
    office.mentee.departments.configure("support", {"tuning.confirm_corrections": 500}, actor="test")
    (row,) = mentee_command("votes", "held")["held"]
    assert (row["answer_id"], row["reason"]) == (answer_id, "long correction needs a second agent")
    office.mentee.votes.correct(Correction(answer_id, second, "Long. " * 100, LONG_AGO))
    assert mentee_command("votes", "held") == {"held": []}


def test_imported_history_is_within_shares_but_not_held(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    base = {"department": "support", "vote": "up"}
    rows = [
        {**base, "question": question, "answer": f"Yes: {question}", "user": user}
        for n, question in enumerate(office.question() for _ in range(240))
        for user in (f"u{n % 30}", "mallory")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_votes(office.mentee.store, office.mentee.departments, path)
    summary, people = office.build(tmp_path / "d")
    assert summary.refusal is None
    assert (summary.counts["held"], summary.counts["quarantined"]) == (0, 0)
    assert nobody_is_over(people, summary.counts["rows"], people)
    assert people["import:mallory"] > 0
    assert mentee_command("votes", "held") == {"held": []}


def test_a_vote_by_hand_on_an_imported_answer_is_not_reviewed(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    row = {"department": "support", "vote": "up", "question": "Why?", "answer": "So.", "user": "web:new"}
    path.write_text(json.dumps(row))
    import_votes(office.mentee.store, office.mentee.departments, path)
    (rated,) = office.mentee.feedback.rated("support", now())
    assert mentee_command("votes", "held") == {"held": []}
    office.mentee.votes.record(Vote(rated.exchange.answer.id, Person("web:new"), "down"))
    (held,) = mentee_command("votes", "held")["held"]
    assert (held["person"], held["reason"]) == ("web:new", YOUNG)
