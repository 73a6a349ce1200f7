"""When people, departments or documents change, nothing is shown, logged or learned without permission.

A state machine plays random months of a small company against a model that knows who may read which text. Every version
of every document has a codeword, and the engine repeats each codeword that stands in its prompt.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from bot.domain.answers import Done
from bot.domain.departments import DepartmentSpec
from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.errors import ForbiddenError, MenteeError, SettingsError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import EVERYONE, Audience, Person, Role
from bot.domain.questions import Question
from bot.testing.engines import ScriptedEngine
from plugins.web.conversations import Conversations
from retrieval.assembly import document_store
from retrieval.ingest.changes import Change, Wanted
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from bot.domain.answers import Answer
    from bot.domain.generation import GenerationRequest
    from bot.testing.homes import MakeHome, Mentee

BUILT_IN = ("retrieval.plugin", "plugins.scrubbers.personal_data")
DEPARTMENTS = ("hr", "it", "travel")
PEOPLE = ("ada", "bob", "cyd", "op")
TOPICS = ("hotel", "laptop", "severance")
READERS: tuple[tuple[str, ...], ...] = ((), (), (EVERYONE,), ("user:ada",), ("user:bob", "department:hr"))
HOW = ("shown by model", "shown by curated", "looked back", "carried over", "learned")
CODEWORD = re.compile(r"\bzq[a-j]+\b")

departments, people, topics, conversations = map(st.sampled_from, (DEPARTMENTS, PEOPLE, TOPICS, ("one", "two")))
readers = st.sampled_from(READERS)
changes = st.sampled_from(("none", "none", "removed", "opened with another text"))


@dataclass(frozen=True)
class Secret:
    """A codeword's text: a version of a document, and whom it was open to while it was current, one after the other."""

    department: str
    topic: str
    document: int
    readers: tuple[tuple[str, ...], ...]

    def of(self, department: str, topic: str) -> bool:
        return (self.department, self.topic) == (department, topic)


class Company:
    """The model: who may read which codeword, found by looking at everything anew each time."""

    def __init__(self) -> None:
        self.open: dict[str, bool] = {}
        self.members: set[tuple[str, str]] = set()
        self.documents: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        self.secrets: dict[str, Secret] = {}
        self.people: set[str] = set()
        self.removed: set[str] = set()

    def audience(self, name: str) -> Audience:
        if name not in self.people:
            return Audience(frozenset())
        own = {f"department:{department}" for department, member in self.members if member == name}
        return Audience(frozenset(own | {EVERYONE, f"user:{name}", f"user:web:{name}"}), unrestricted=name == "op")

    def everyone_of(self, department: str) -> Audience:
        if department not in self.open:
            return Audience(frozenset())
        return Audience(frozenset({EVERYONE} if self.open[department] else {EVERYONE, f"department:{department}"}))

    def may_read(self, audience: Audience, codeword: str) -> bool:
        secret = self.secrets[codeword]
        if secret.department not in self.open:
            return False
        asks = {EVERYONE} if self.open[secret.department] else {f"department:{secret.department}"}
        document, now_readers = self.documents.get((secret.department, secret.topic), (0, ()))
        if document != secret.document or not audience.may_read(frozenset(asks)):
            return False
        members = {f"user:{name}" for department, name in self.members if department == secret.department}
        allowed = audience.may_read(
            frozenset(now_readers or (asks if self.open[secret.department] else asks | members))
        )
        return allowed and any(not each or audience.may_read(frozenset(each)) for each in secret.readers)


class Walls(RuleBasedStateMachine):
    """Plays; each rule that shows a text holds it against the model."""

    make_home: MakeHome
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.company = Company()
        self.engine = ScriptedEngine(_repeat)
        self.mentee: Mentee = type(self).make_home(engine=self.engine, built_in=BUILT_IN)
        self.loop = asyncio.Runner()
        self.count = 0
        self.answers: list[Answer] = []
        store, retriever = self.mentee.store, self.mentee.retriever
        self.documents = document_store(store, retriever)  # type: ignore[arg-type] # the built-in one
        self.pages = Conversations.of(self.mentee)

    @initialize(is_open=st.booleans())
    def found(self, is_open: bool) -> None:
        for name in PEOPLE:
            self.add_person(name)
        for name in DEPARTMENTS[:2]:
            self.add_department(name, is_open if name == "hr" else True)
        self.add_member("hr", "ada")
        self.add_member("hr", "bob")
        for department in DEPARTMENTS[:2]:
            for number, topic in enumerate(TOPICS):
                self.write_document(department, topic, READERS[number * 2])

    # People and departments

    @rule(name=people)
    def add_person(self, name: str) -> None:
        role = Role.OPERATOR if name == "op" else Role.EMPLOYEE
        if name in self.company.people | self.company.removed:
            with pytest.raises(SettingsError):
                self.mentee.people.add(name, role=role, password=None, actor="test")
            return
        self.mentee.people.add(name, role=role, password=None, actor="test")
        self.company.people.add(name)

    @rule(name=st.sampled_from(("ada", "bob", "cyd")), doubt=st.integers(0, 5))
    def remove_person(self, name: str, doubt: int) -> None:
        if doubt != 5 or name not in self.company.people:
            return
        self.mentee.people.remove(name, actor="test")
        self.company.people.remove(name)
        self.company.removed.add(name)
        self.company.members = {each for each in self.company.members if each[1] != name}

    @rule(name=departments, is_open=st.booleans())
    def add_department(self, name: str, is_open: bool) -> None:
        spec = DepartmentSpec(name, name.title(), open=is_open)
        if name in self.company.open or f"department:{name}" in self.company.removed:
            with pytest.raises(SettingsError):
                self.mentee.departments.add(spec, actor="test")
            return
        self.mentee.departments.add(spec, actor="test")
        self.mentee.departments.configure(name, {"answers.known_threshold": 0.0}, actor="test")
        self.company.open[name] = is_open

    @rule(name=departments, doubt=st.integers(0, 9))
    def remove_department(self, name: str, doubt: int) -> None:
        if doubt != 9 or name not in self.company.open:
            return
        self.mentee.departments.remove(name, actor="test")
        del self.company.open[name]
        self.company.removed.add(f"department:{name}")
        self.company.members = {each for each in self.company.members if each[0] != name}
        self.company.documents = {key: each for key, each in self.company.documents.items() if key[0] != name}

    @rule(name=departments, is_open=st.booleans())
    def open_or_close(self, name: str, is_open: bool) -> None:
        if name in self.company.open:
            self.mentee.departments.configure(name, {"open": is_open}, actor="test")
            self.company.open[name] = is_open

    @rule(name=departments, person=people)
    def add_member(self, name: str, person: str) -> None:
        if name in self.company.open and person in self.company.people:
            self.mentee.departments.set_member(name, f"user:{person}", member=True, actor="test")
            self.company.members.add((name, person))

    @rule(name=departments, person=people)
    def withdraw_membership(self, name: str, person: str) -> None:
        if (name, person) in self.company.members:
            self.mentee.departments.set_member(name, f"user:{person}", member=False, actor="test")
            self.company.members.remove((name, person))

    # Documents

    @rule(department=departments, topic=topics, rights=readers)
    def write_document(self, department: str, topic: str, rights: tuple[str, ...]) -> None:
        if department not in self.company.open:
            return
        self.count += 1
        codeword = "zq" + str(self.count).translate(str.maketrans("0123456789", "abcdefghij"))
        text = f"The rule about {topic} says {codeword} and everybody must follow it every day."
        parsed = ParsedDocument(topic.title(), (ParsedSection((topic.title(),), paragraphs(text)),))
        self._change(department, Change([_wanted(topic, rights, self.count, parsed)]))
        document = self.company.documents.get((department, topic), (self.count, ()))[0]
        self.company.documents[department, topic] = (document, rights)
        self.company.secrets[codeword] = Secret(department, topic, document, (rights,))

    @rule(department=departments, topic=topics, rights=readers)
    def change_readers(self, department: str, topic: str, rights: tuple[str, ...]) -> None:
        if (department, topic) in self.company.documents:
            row = next(each for each in self.documents.rows(department) if each.address == topic)
            wanted = _wanted(topic, rights, 0, None)
            self._change(department, Change([replace(wanted, sha256=row.sha256, size=row.size)]))
            self.company.documents[department, topic] = (self.company.documents[department, topic][0], rights)
            current = next(word for word, each in reversed(self.company.secrets.items()) if each.of(department, topic))
            secret = self.company.secrets[current]
            self.company.secrets[current] = replace(secret, readers=(*secret.readers, rights))

    @rule(department=departments, topic=topics)
    def remove_document(self, department: str, topic: str) -> None:
        if self.company.documents.pop((department, topic), None):
            self._change(department, Change([], removed=[topic]))

    def _change(self, department: str, change: Change) -> None:
        with self.documents.snapshots.building(department):
            self.documents.apply(department, change, actor="test")

    # Questions, feedback, training

    @rule(name=people, topic=topics, department=st.none() | departments, conversation=conversations)
    def ask(self, name: str, topic: str, department: str | None, conversation: str) -> None:
        person = self.mentee.departments.person(f"web:{name}")
        self._ask(
            Question(
                f"What does the rule about {topic} say to everybody?",
                person,
                self.mentee.departments.audience_of(person),
                department=department,
                channel="web",
                place=conversation,
                thread=conversation,
                history=self.pages.history(person, conversation),
            ),
            self.company.audience(name),
        )

    @rule(asker=people, agent=people, next_asker=people, department=departments, topic=topics, change=changes)
    def ask_correct_and_ask(  # noqa: PLR0917 - a story of several people
        self, asker: str, agent: str, next_asker: str, department: str, topic: str, change: str
    ) -> None:
        before = len(self.answers)
        self.ask(asker, topic, department, "one")
        for answer in self.answers[before:]:
            with self._refused_if_removed(next_asker):
                self.mentee.votes.record(Vote(answer.id, Person(f"web:{next_asker}"), "up"))
            self._correct(answer, agent)
        if change == "opened with another text":
            self.write_document(department, topic, ())
        elif change == "removed":
            self.remove_document(department, topic)
        self.ask(next_asker, topic, department, "two")
        self.look_back(asker, "one")

    @rule(topic=topics, rights=st.sampled_from([(), ("department:hr",)]))
    def ask_in_a_channel(self, topic: str, rights: tuple[str, ...]) -> None:
        audience = Audience(frozenset({EVERYONE, *rights}))
        text = f"What does the rule about {topic} say to everybody?"
        self._ask(Question(text, Person("slack:U1"), audience, channel="slack", place="C1"), audience)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), name=people)
    def correct(self, data: st.DataObject, name: str) -> None:
        """An agent corrects an answer; what is gone by then they leave out."""
        self._correct(data.draw(st.sampled_from(self.answers)), name)

    def _correct(self, answer: Answer, name: str) -> None:
        alive = [word for word in CODEWORD.findall(answer.text) if self._exists(word)]
        agent = Person(f"web:{name}", role=Role.AGENT)
        with self._refused_if_removed(name):
            self.mentee.votes.correct(Correction(answer.id, agent, f"Checked: {' '.join(alive)}"))

    def _refused_if_removed(self, name: str) -> AbstractContextManager[object]:
        return pytest.raises(ForbiddenError) if name in self.company.removed else nullcontext()

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), name=people)
    def vote(self, data: st.DataObject, name: str) -> None:
        with self._refused_if_removed(name):
            answer = data.draw(st.sampled_from(self.answers))
            self.mentee.votes.record(Vote(answer.id, Person(f"web:{name}"), "up"))

    @rule(name=people, conversation=conversations)
    def look_back(self, name: str, conversation: str) -> None:
        person = self.mentee.departments.person(f"web:{name}")
        turns = self.pages.turns(person, conversation)
        one_by_one = [self.pages.answer_to(person, turn["question"]["id"]) for turn in turns]
        self._hold(json.dumps([turns, one_by_one], default=str), self.company.audience(name), "looked back")

    @rule(department=departments)
    def build_a_dataset(self, department: str) -> None:
        if department not in self.company.open:
            return
        self.count += 1
        mentee, found = self.mentee, self.mentee.departments.get(department)
        eager = {"min_examples": 1, "min_questions": 0, "person_share": 1.0}
        found = replace(found, tuning=found.tuning.model_copy(update=eager))
        target = mentee.settings.artifacts_dir / "datasets" / f"{department}-{self.count}"
        services.datasets(mentee).build(found, target, as_of=now())
        for file in target.glob("*.jsonl"):
            self._hold(file.read_text(encoding="utf-8"), self.company.everyone_of(department), "learned")

    def _ask(self, question: Question, audience: Audience) -> None:
        self.engine.requests.clear()
        with capture_logs() as logs:
            answer, shown = self.loop.run(_answer(self.mentee, question))
        assert not CODEWORD.findall(repr(logs))
        if answer is None:
            return
        self._hold(shown, audience, f"shown by {answer.provenance.source}")
        self._hold(repr(self.engine.requests), audience, "prompted")
        recorded = self.mentee.history.exchange(question.id)
        assert recorded is not None
        said = repr([self.engine.requests, recorded.question.history])
        self._hold(repr(recorded), audience, "recorded")
        across = {word for word in CODEWORD.findall(said) if self.company.secrets[word].department != answer.department}
        self._hold(" ".join(across), self.company.everyone_of(answer.department), "carried over")
        self.answers.append(answer)

    def _hold(self, text: str, audience: Audience, how: str) -> None:
        words = set(CODEWORD.findall(text))
        denied = {word for word in words if not self.company.may_read(audience, word)}
        assert not denied, f"{how}: {[self.company.secrets[word] for word in denied]} to {audience}"
        type(self).seen[how] += len(words)

    def _exists(self, word: str) -> bool:
        secret = self.company.secrets[word]
        return self.company.documents.get((secret.department, secret.topic), (0,))[0] == secret.document

    def teardown(self) -> None:
        self.loop.close()
        self.mentee.close()


async def _answer(mentee: Mentee, question: Question) -> tuple[Answer | None, str]:
    shown: list[Any] = []
    with suppress(MenteeError):
        async with aclosing(mentee.pipeline.answer(question)) as events:
            shown = [event async for event in events]
    if not shown:
        return None, ""
    assert isinstance(shown[-1], Done)
    mentee.recorder.record(question, shown[-1].answer)
    return shown[-1].answer, repr(shown)


def _repeat(request: GenerationRequest) -> str:
    words: Iterable[str] = CODEWORD.findall(" ".join(message.content for message in request.messages))
    return f"It says {' '.join(dict.fromkeys(words))} [1]."


def _wanted(topic: str, rights: tuple[str, ...], number: int, parsed: ParsedDocument | None) -> Wanted:
    return Wanted(topic, topic, "", f"sha{number}", 1, readers=rights, parsed=parsed)


def play(make_home: MakeHome, *, months: int, derandomize: bool) -> Counter[str]:
    """Play so many runs of 50 steps; return how many codewords were seen where."""
    seen = Counter[str]()
    machine = type("Walls", (Walls,), {"make_home": staticmethod(make_home), "seen": seen})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=months,
            derandomize=derandomize,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return seen


@pytest.mark.timeout(180)
def test_no_text_crosses_a_wall_in_500_steps(make_home: MakeHome) -> None:
    seen = play(make_home, months=10, derandomize=True)
    assert min(seen["shown by model"], seen["looked back"]), seen


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_text_crosses_a_wall_in_10_000_steps(make_home: MakeHome) -> None:
    seen = play(make_home, months=200, derandomize=True)
    assert min(seen[how] for how in HOW), seen
