"""After a person or document is erased, no search, table, file or later round contains any of it."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from bot.cli.main import command_line
from bot.domain.answers import Done
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ForbiddenError, MenteeError, NotFoundError, SettingsError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Audience, Person, Role
from bot.domain.questions import Question, Turn
from bot.storage.tables.access import AuditRow
from bot.storage.tables.training import AdapterRow, ChampionRow, DatasetRowRow, HeldOutRow, RoundRow
from retrieval.assembly import open_documents
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.answers import Answer
    from bot.domain.ports import Engine
    from bot.testing.homes import MakeHome

BUILT_IN = (
    "retrieval.plugin",
    "tuning.plugin",
    "plugins.sources",
    "plugins.scrubbers.personal_data",
    "plugins.guards.grounding",
    "plugins.guards.secrets",
)
SECRET = "The severance of directors is twenty-six weeks of full pay under the BLUEHERON plan of March."
ASKED = "What is the severance of directors, how many weeks under which plan?"
PRIVATE = "My doctor in Lyon wants to know how many weeks the knee operation may keep me off work."
TOPICS = {
    "sick leave": "Sick leave after an operation lasts up to six weeks with pay.",
    "bicycle parking": "Bicycle parking is in the cellar and opens at seven with your badge.",
    "canteen menu": "The canteen menu changes on Mondays and costs eight euros at noon.",
    "visa invitations": "Visa invitations come from the travel desk within four working days.",
    "pension contributions": "Pension contributions are matched by the company up to five percent.",
    "laptop repair": "Laptop repair takes two days; the desk on floor three lends another.",
}
ADA, BOB, AGENT = Person("web:ada", "ada"), Person("web:bob", "bob"), Person("web:agnes", "agnes", Role.AGENT)


@pytest.fixture
def company(make_home: MakeHome, tmp_path: Path, scripted_engine: Engine) -> Mentee:
    """A department with a page to erase and one to keep, and two people who ask about both."""
    policy = {"tuning": {"min_examples": 1, "min_questions": 2, "person_share": 1.0, "agent_share": 1.0}}
    mentee = make_home(
        departments=[DepartmentSpec("hr", "HR")], settings=policy, engine=scripted_engine, built_in=BUILT_IN
    )
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "severance.md").write_text(f"# Severance of directors\n\n{SECRET}\n")
    for topic, text in TOPICS.items():
        (folder / f"{topic}.md").write_text(f"# {topic.title()}\n\n{text}\n")
    open_documents(mentee, actor="test").add([str(folder)], "hr")
    for person in (ADA, BOB, AGENT):
        mentee.people.ensure(person)
    return mentee


async def answered(mentee: Mentee, question: Question) -> Answer:
    async with aclosing(mentee.pipeline.answer(question)) as events:
        return next(event.answer for event in [each async for each in events] if isinstance(event, Done))


async def ask(mentee: Mentee, text: str, person: Person) -> Answer:
    question = Question(text, person, department="hr", channel="web")
    answer = await answered(mentee, question)
    mentee.recorder.record(question, answer)
    return answer


def orphans(*more: str) -> dict[str, object]:
    root, loaded = command_line(discover=False)
    try:
        shown = CliRunner().invoke(root, ["doctor", "--orphans", "--json", *more])
    finally:
        loaded.close()
    found: dict[str, object] = json.loads(shown.stdout)
    assert shown.exit_code == (1 if found["orphans"] else 0)
    return found


def erase(*arguments: str) -> dict[str, object]:
    root, loaded = command_line(discover=False)
    try:
        shown = CliRunner().invoke(root, ["erase", *arguments, "--json"], catch_exceptions=False)
    finally:
        loaded.close()
    assert shown.exit_code == 0, shown.output
    erased: dict[str, object] = json.loads(shown.stdout)
    return erased


def a_round(mentee: Mentee, name: str) -> Path:
    """Build the dataset of a round that ended with a champion, and leave what a round leaves on disk."""
    started = services.rounds(mentee).start("hr", actor="test", round_id=name)
    folder = mentee.settings.artifacts_dir
    target = folder / "datasets" / f"hr-{name}"
    few = {"person_share": 1.0, "agent_share": 1.0, "account_days": 0.0}  # people, who are new here
    found = mentee.departments.get("hr")
    found = replace(found, tuning=found.tuning.model_copy(update=few))
    summary = services.datasets(mentee).build(found, target, as_of=now())
    assert summary.refusal is None, summary.refusal
    (folder / "rounds" / name / "work").mkdir(parents=True)
    (folder / "rounds" / name / "report.html").write_text((target / "preference.jsonl").read_text())
    with mentee.store.write() as session:
        row = session.get_one(RoundRow, started.id)
        row.state, row.dataset, row.finished_at = "finished", target.name, now()
        adapter = {"department": "hr", "base_model": "tiny", "sha256": "0", "state": "champion"}
        session.add(AdapterRow(version=f"hr-{name}", dataset=target.name, round_id=name, **adapter))
        session.flush()
        session.add(ChampionRow(department="hr", adapter=f"hr-{name}", action="promote", actor="test"))
    return target


def texts(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.jsonl"):
        yield path.read_text(encoding="utf-8")


async def taught(mentee: Mentee) -> list[Answer]:
    """Ask, vote and correct, as ADA and as others."""
    answers = [await ask(mentee, ASKED, BOB), await ask(mentee, PRIVATE, ADA)]
    answers += [await ask(mentee, f"What about: {text}", BOB) for text in TOPICS.values()]
    for answer in answers:
        mentee.votes.record(Vote(answer.id, AGENT, "up"))
    mentee.votes.record(Vote(answers[2].id, ADA, "down", comment="This is what nobody in Lyon would tell a patient."))
    return answers


async def test_an_erased_document_is_found_nowhere(company: Mentee) -> None:
    answers = await taught(company)
    old = a_round(company, "r_1")
    rows = open_documents(company, actor="test").rows("hr")
    address = next(row.address for row in rows if "severance" in row.address)
    would = erase("document", address, "--department", "hr", "--dry-run")
    assert would["dry_run"]
    assert company.history.of_answer(answers[0].id)
    erased = erase("document", address, "--department", "hr", "--yes")
    assert erased["left"] == []
    assert orphans() == {"orphans": 0, "places": []}
    assert orphans("--text", "under the BLUEHERON plan") == {"orphans": 0, "places": []}
    documents = open_documents(company, actor="test")
    assert [outcome.address for outcome in documents.sync("hr").of("skipped")] == [address]
    assert address not in [row.address for row in documents.rows("hr")]
    found = company.retriever.search(ASKED, "hr", Audience(unrestricted=True))
    assert found
    assert not any("BLUEHERON" in passage.text for passage in found)
    assert not old.exists()
    assert not (company.settings.artifacts_dir / "rounds" / "r_1").exists()
    again = a_round(company, "r_2")
    assert any("sick leave" in text.lower() for text in texts(again))
    assert not any("BLUEHERON" in text for text in texts(again))
    with company.store.read() as session:
        stale = session.get_one(AdapterRow, "hr-r_1")
        assert stale.stale_since is not None
        assert stale.replace_by is not None
        assert stale.replace_by > now()
        (entry,) = session.scalars(select(AuditRow).where(AuditRow.action == "document.erase"))
        assert address not in json.dumps([entry.subject, entry.detail])
        assert entry.actor == "cli:operator"


async def test_an_answer_being_written_from_an_erased_document_is_not_kept(company: Mentee) -> None:
    question = Question(ASKED, BOB, department="hr", channel="web")
    answer = await answered(company, question)
    assert SECRET in answer.text
    rows = open_documents(company, actor="test").rows("hr")
    erase("document", next(row.address for row in rows if "severance" in row.address), "--department", "hr", "--yes")
    with pytest.raises(MenteeError, match="erased while"):
        company.recorder.record(question, answer)
    assert orphans() == {"orphans": 0, "places": []}
    assert SECRET not in (await ask(company, ASKED, BOB)).text


async def test_an_erased_person_is_found_nowhere(company: Mentee) -> None:
    answers = await taught(company)
    company.votes.correct(
        Correction(answers[3].id, AGENT, "Sick leave lasts six weeks, says the agent Agnes of Bordeaux.")
    )
    company.departments.set_member("hr", f"user:{ADA.id}", member=True, actor=ADA.id)
    a_round(company, "r_1")
    assert orphans("--text", PRIVATE)["orphans"]
    erased = erase("person", "ada", "--yes")
    assert erased["left"] == []
    assert orphans() == {"orphans": 0, "places": []}
    assert orphans("--text", PRIVATE) == {"orphans": 0, "places": []}
    assert orphans("--text", "nobody in Lyon would tell") == {"orphans": 0, "places": []}
    assert orphans("--text", "web:ada") == {"orphans": 0, "places": []}
    with pytest.raises(SettingsError, match="ada"):  # nobody gets what was granted to the name
        company.people.add("ada", role=Role.EMPLOYEE, password="long enough", actor="test")
    again = a_round(company, "r_2")
    assert not any("knee operation" in text for text in texts(again))
    with company.store.read() as session:
        assert not any("web:ada" in row.people for row in session.scalars(select(DatasetRowRow)))
        assert not any("knee" in row.question for row in session.scalars(select(HeldOutRow)))
        assert session.get_one(AdapterRow, "hr-r_1").stale_since is not None
    erase("person", "agnes", "--yes")
    assert orphans("--text", "agent Agnes of Bordeaux") == {"orphans": 0, "places": []}


def test_copies_of_an_erased_document_in_other_departments_are_named(company: Mentee, tmp_path: Path) -> None:
    documents = open_documents(company, actor="test")
    page = tmp_path / "pages" / "severance.md"
    elsewhere = tmp_path / "board.md"
    elsewhere.write_bytes(page.read_bytes())
    for department, path in (("board", page), ("legal", elsewhere), ("it", tmp_path / "pages" / "canteen menu.md")):
        company.departments.add(DepartmentSpec(department, department, open=False), actor="test")
        documents.add([str(path)], department)
    copies = [{"department": "board", "address": str(page)}, {"department": "legal", "address": str(elsewhere)}]
    assert erase("document", str(page), "--department", "hr", "--dry-run")["copies"] == copies
    erased = erase("document", str(page), "--department", "hr", "--yes")
    assert (erased["copies"], erased["left"]) == (copies, [])
    assert erase("document", str(elsewhere), "--department", "legal", "--yes")["copies"] == copies[:1]
    assert erase("document", str(page), "--department", "board", "--yes")["copies"] == []


def test_erasing_from_no_department_names_the_department(company: Mentee) -> None:
    with pytest.raises(NotFoundError, match=r"There is no department 'nowhere'\. Departments: hr\."):
        company.erasing.document("severance.md", "nowhere", actor="test")


async def test_somebody_erased_neither_votes_nor_corrects(company: Mentee) -> None:
    answer = await ask(company, ASKED, BOB)
    early = Vote(answer.id, Person("slack:U024BE7LH"), "up")
    for person in (ADA, early.person):
        company.votes.record(Vote(answer.id, person, "up"))
        company.erasing.person(person.id, actor="test")
    late = (Vote(answer.id, ADA, "down"), early)
    for vote in late:
        with pytest.raises(ForbiddenError, match="removed"):
            company.votes.record(vote)
    with pytest.raises(ForbiddenError, match="removed"):
        company.votes.correct(Correction(answer.id, ADA, "Twelve weeks."))
    assert orphans() == {"orphans": 0, "places": []}
    assert company.votes.current(answer.id, ADA.id) is None
    company.votes.record(Vote(answer.id, early.person, "up"))  # Slack's id may come back


async def test_what_is_left_behind_is_reported(company: Mentee) -> None:
    await taught(company)
    erase("person", "ada", "--yes")
    stray = company.settings.home / "notes.txt"
    stray.write_text(f"Somebody wrote this down: {PRIVATE.lower()}")
    found = orphans()
    assert found["orphans"] == 1
    assert str(stray) in str(found["places"])
    stray.unlink()
    company.audit.newest(1)
    with company.store.write() as session:
        session.add(AuditRow(actor="web:ada", action="test", subject="x", detail={}))
    assert "table audit, column actor" in str(orphans()["places"])


async def test_what_an_erased_person_said_leaves_the_questions_of_others(company: Mentee) -> None:
    turns = Turn("What of the canteen?", "It has a menu.", person_id=ADA.id), Turn("And then?", "Dinner.", (), BOB.id)
    question = Question(TOPICS["canteen menu"], BOB, department="hr", channel="web", history=turns)
    company.recorder.record(question, await answered(company, question))
    company.erasing.person(ADA.id, actor="test")
    found = company.history.exchange(question.id)
    assert found is not None
    assert [turn.person_id for turn in found.question.history] == [BOB.id]
    assert orphans() == {"orphans": 0, "places": []}
