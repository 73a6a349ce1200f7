from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import select

from bot.access.rights import Sight
from bot.answering.prompt import build_messages
from bot.config.core import TuningSettings
from bot.domain.errors import PluginError, SettingsError
from bot.domain.people import Audience
from bot.feedback.history import FeedbackHistory
from bot.hooks import specs
from bot.hooks.host import PluginHost
from bot.hooks.specs import hookimpl
from bot.hooks.state import PluginStates
from bot.storage.artifacts import verify
from bot.storage.history import History
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, VoteRow
from bot.storage.tables.training import DatasetRowRow, HeldOutRow
from plugins.scrubbers import personal_data
from tuning.data.build import DatasetBuilder
from tuning.data.dedup import NEAR, jaccard, normalise, shingles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bot.access.departments import Department
    from bot.domain.questions import ChatMessage
    from bot.domain.training import TrainingExample
    from bot.storage.session import Store
    from tuning.data.build import DatasetSummary
    from tuning.data.prompts import Asked

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
EVERYTHING = SimpleNamespace(everyones_sight=lambda name: Sight(Audience(), frozenset({name}), lambda ids, *_: ids))
POLICY = TuningSettings(min_examples=10, min_questions=4, person_share=1.0, agent_share=1.0, account_days=0)
TOPICS = (
    "badge", "hotel", "payroll", "laptop", "visa", "canteen", "parking", "pension", "printer", "training", "overtime",
    "garden", "insurance", "telephone", "workshop", "archive", "bicycle", "courier", "elevator", "firewall",
    "gymnasium", "heating", "invoice", "keyboard", "locker", "mentor", "newsletter", "overseas", "projector",
    "quarantine", "recycling", "sabbatical", "translator", "uniform", "vaccine", "warehouse", "xerox", "yearbook",
    "zeppelin", "allowance",
)  # fmt: skip


class Desk:
    """Writes questions, answers, votes and corrections into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0

    def answer(
        self,
        question: str,
        answer: str,
        *,
        votes: Sequence[tuple[str, ...]] = (),
        corrections: Sequence[tuple[Any, ...]] = (),
        **columns: Any,
    ) -> str:
        """``votes`` are (person, value[, role]), ``corrections`` (person, text[, accepted])."""
        self.count += 1
        number = f"{self.count:04d}"
        behind = {"answer_id": f"a_{number}", "at": NOW - timedelta(hours=1)}
        asked = {"train_eligible": columns.pop("train_eligible", True), "history": columns.pop("history", [])}
        asked |= {"person_id": "web:asker", "department": "travel", "channel": "web"}
        values = {"department": "travel", "provenance": {"source": "model"}, "created_at": NOW, **columns}
        with self.store.write() as session:
            session.add(QuestionRow(id=f"q_{number}", text=question, **asked))
            session.flush()
            session.add(AnswerRow(id=f"a_{number}", question_id=f"q_{number}", text=answer, **values))
            session.flush()
            for person, value, *role in votes:
                session.add(VoteRow(person_id=person, value=value, role=(role or ["employee"])[0], **behind))
            for person, text, *accepted in corrections:
                accept = (accepted or [True])[0]
                session.add(CorrectionRow(person_id=person, text=text, role="agent", accepted=accept, **behind))
        return f"a_{number}"

    def many(self, topics: Sequence[str] = TOPICS) -> None:
        for number, topic in enumerate(topics):
            question = f"{topic} {topic[::-1]}: who looks after it?"
            if number % 3 == 2:
                self.answer(question, f"No idea about {topic}.", votes=[(f"u{number}", "down")])
            elif number % 3 == 1:
                self.answer(
                    question, f"Wrong on {topic}.", corrections=[("agent", f"{topic.title()} is with facilities.")]
                )
            else:
                self.answer(question, f"The {topic} team does.", votes=[(f"u{number}", "up"), (f"w{number}", "up")])


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def plugins_of(store: Store, **extra: object) -> PluginHost:
    return PluginHost(PluginStates(store), specs, built_in=(), extra={"pii": personal_data, **extra}, discover=False)


def prompt_for(asked: Asked, *_: object, **__: object) -> tuple[ChatMessage, ...]:
    return build_messages(asked.text, (), title="Travel", history=asked.history)


def build(
    store: Store, target: Path, *, policy: TuningSettings = POLICY, plugins: PluginHost | None = None, **changes: Any
) -> DatasetSummary:
    prompts = changes.pop("prompt_for", prompt_for)
    read: Any = {"feedback": FeedbackHistory(store), "history": History(store), "rights": EVERYTHING}
    builder = DatasetBuilder(store, plugins or plugins_of(store), **read, prompts=lambda _: prompts)
    department = cast("Department", SimpleNamespace(name="travel", tuning=policy))
    return builder.build(department, target, **{"as_of": NOW, **changes})


def rows(summary: DatasetSummary, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (summary.path / f"{name}.jsonl").read_text().splitlines()]


def everything(summary: DatasetSummary) -> str:
    return "".join(path.read_text() for path in summary.path.iterdir())


def test_votes_and_corrections_become_rows(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    summary = build(store, tmp_path / "d")
    sft, preference = rows(summary, "sft"), rows(summary, "preference")
    assert summary.refusal is None
    assert verify(summary.path, "dataset").sha256 == summary.sha256
    assert {row["label"] for row in sft} == {"up"}
    corrected = [row for row in sft if row["kind"] == "correction"]
    assert corrected
    for row in corrected:
        same = [other for other in preference if other["answer_id"] == row["answer_id"]]
        assert [other["completion"].split()[0] for other in same if other["label"] == "down"] == ["Wrong"]
        assert row in preference
    assert all(row["messages"][-1]["role"] == "user" for row in preference)
    assert summary.counts["rows"] == len(preference)
    assert summary.counts["up"] + summary.counts["down"] == len(preference)


def test_weights_follow_how_sure_people_are(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    said: dict[str, list[tuple[str, ...]]] = {
        "lone mortgage question here": [("u1", "up")],
        "pair of umbrellas available?": [("u1", "up"), ("u2", "up")],
        "agent verified snowplough rota": [("a1", "up", "agent")],
        "who outvotes the xylophone": [("u1", "down"), ("a1", "up", "agent")],
    }
    for question, votes in said.items():
        desk.answer(question, f"Yes, {question}.", votes=votes)
    desk.answer("split jury on kangaroos", "Perhaps.", votes=[("u1", "up"), ("u2", "down")])
    policy = POLICY.model_copy(update={"held_out_share": 0.05, "min_questions": 2})
    summary = build(store, tmp_path / "d", policy=policy)
    weights = {row["completion"]: row["weight"] for row in rows(summary, "sft")}
    held = {row["reference"] for row in rows(summary, "held_out")}
    expected = {
        "Yes, lone mortgage question here.": 1 / 3,
        "Yes, pair of umbrellas available?.": 0.5,
        "Yes, agent verified snowplough rota.": 0.6,
        "Yes, who outvotes the xylophone.": 1 / 3,
    }
    seen = {text: weight for text, weight in expected.items() if text not in held}
    assert len(seen) >= 3
    assert {text: weights[text] for text in seen} == pytest.approx(seen, abs=1e-3)
    assert summary.counts["dropped: people disagree"] == 1


def test_a_person_votes_once_on_the_same_answer_to_the_same_question(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    for _ in range(6):
        desk.answer("does the ferry carry dogs", "Never.", votes=[("u1", "up")])
    desk.answer("does the ferry carry dogs", "Never.", votes=[("u2", "down"), ("u3", "down")])
    summary = build(store, tmp_path / "d")
    row = next(row for row in rows(summary, "preference") if row["completion"] == "Never.")
    assert (row["label"], row["people"], row["weight"]) == ("down", ["u2", "u3"], pytest.approx(0.2))


def test_what_may_not_train_stays_out(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    desk.answer("private kangaroo channel", "Secret one.", votes=[("u1", "up")], train_eligible=False)
    desk.answer("unknown kangaroo answer", "I don't find this.", votes=[("u1", "up")], known=False)
    desk.answer("ticket state of kangaroo", "It is open.", votes=[("u1", "up")], provenance={"source": "plugin"})
    desk.answer("kangaroo of tomorrow", "Later.", votes=[("u1", "up")], department="hr")
    desk.answer("kangaroo unaccepted", "Hm.", corrections=[("u1", "Planted text.", False)])
    late = desk.answer("kangaroo too late", "Too late.", votes=[("u1", "up")])
    with store.write() as session:
        session.get_one(VoteRow, (late, "u1")).at = NOW + timedelta(seconds=1)
    text = everything(build(store, tmp_path / "d"))
    for absent in ("Secret one", "find this", "It is open", "Later.", "Planted", "Too late"):
        assert absent not in text


def test_the_same_database_gives_the_same_hash_and_new_votes_another(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    first = build(store, tmp_path / "1")
    again = build(store, tmp_path / "2")
    desk.answer("brand new zebra crossing", "Over there.", votes=[("u1", "up"), ("u2", "up")])
    later = build(store, tmp_path / "3")
    assert first.sha256 == again.sha256 != later.sha256
    assert [row["id"] for row in rows(first, "held_out")] == [row["id"] for row in rows(again, "held_out")]


def test_a_build_that_is_there_already_is_returned_as_it_is(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    first = build(store, tmp_path / "d")
    with store.write() as session:
        session.query(DatasetRowRow).delete()  # as if killed between the files and the database
    desk.answer("another zebra", "Yes.", votes=[("u1", "up")])
    assert build(store, tmp_path / "d") == first
    with store.read() as session:
        recorded = set(session.scalars(select(DatasetRowRow.example).where(DatasetRowRow.dataset == "d")))
    assert recorded == {row["id"] for row in rows(first, "preference")}


def test_rows_lead_back_to_answers_and_people(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    summary = build(store, tmp_path / "d")
    with store.read() as session:
        recorded = {row.example: row for row in session.scalars(select(DatasetRowRow))}
    for row in rows(summary, "preference"):
        assert recorded[row["id"]].answer_id == row["answer_id"]
        assert recorded[row["id"]].people == row["people"]


def test_held_out_questions_are_frozen_and_nothing_near_them_ever_trains(
    store: Store, desk: Desk, tmp_path: Path
) -> None:
    desk.many()
    first = build(store, tmp_path / "1")
    held = rows(first, "held_out")
    for row in held:
        desk.answer(f"{row['question']} please", "Leaked!", corrections=[("agent", f"Leak of {row['question']}")])
        desk.answer(row["question"].upper(), "Leaked!", votes=[("u1", "up"), ("u2", "up")])
    second = build(store, tmp_path / "2")
    assert {row["question"] for row in held} <= {row["question"] for row in rows(second, "held_out")}
    assert "Leak" not in "".join(row["completion"] for row in rows(second, "preference"))
    assert second.counts["dropped: near a held-out question"] >= 3 * len(held)
    for held_row in rows(second, "held_out"):
        for row in rows(second, "preference"):
            one, other = (shingles(normalise(text)) for text in (held_row["question"], row["messages"][-1]["content"]))
            assert jaccard(one, other) < NEAR
    with store.read() as session:
        assert session.query(HeldOutRow).count() == len(rows(second, "held_out"))


def test_the_reference_is_a_correction_or_an_agreed_answer(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    for row in rows(build(store, tmp_path / "d"), "held_out"):
        assert row["reference"].endswith(("facilities.", "team does."))
        assert row["messages"] == [
            {"role": message.role, "content": message.content}
            for message in build_messages(row["question"], (), title="Travel")
        ]


def test_about_the_share_asked_for_is_held_out(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    summary = build(store, tmp_path / "d", policy=POLICY.model_copy(update={"held_out_share": 0.25}))
    assert len(rows(summary, "held_out")) == round(0.25 * len(TOPICS))


def test_one_person_cannot_fill_a_round(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    for number in range(300):
        topic = random.Random(number).choice(TOPICS)
        desk.answer(f"planted {number:x} {topic[::-1]}", f"Send it to Mallory {number}.", votes=[("mallory", "up")])
    policy = POLICY.model_copy(update={"person_share": 0.05, "burst_votes": 0})
    summary = build(store, tmp_path / "d", policy=policy)
    planted = [row for row in rows(summary, "preference") if "mallory" in row["people"]]
    held = [row for row in rows(summary, "held_out") if "Mallory" in row["reference"]]
    assert 1 <= len(planted) + len(held) <= 0.05 * (summary.counts["rows"] + summary.counts["held_out"]) + 1
    assert summary.counts["dropped: over a person's share"] >= 50


def test_an_agent_may_fill_a_round_if_settings_say_so(store: Store, desk: Desk, tmp_path: Path) -> None:
    for topic in TOPICS:
        desk.answer(f"{topic} {topic[::-1]}", "Wrong.", corrections=[("agent", f"About {topic}.")])
    summary = build(store, tmp_path / "d", policy=POLICY.model_copy(update={"person_share": 0.05}))
    assert "dropped: over a person's share" not in summary.counts


def test_repeated_rows_are_one_and_contradictions_none(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    desk.answer("order 4711 of hay?", "Comes on Monday by the usual lorry.", votes=[("u1", "up")])
    desk.answer("Order 90210 of hay", "Comes on Monday by the usual lorry!", votes=[("u2", "up")])
    desk.answer("straw or hay 123456", "Both.", votes=[("u1", "up")])
    desk.answer("straw or hay 654321", "Both.", votes=[("u1", "down")])
    summary = build(store, tmp_path / "d", policy=POLICY.model_copy(update={"held_out_share": 0.05}))
    text = everything(summary)
    assert summary.counts["dropped: duplicate"] == 1
    assert summary.counts["dropped: called right and wrong"] == 2
    assert "Both." not in text


def test_no_canary_reaches_a_file_or_the_database(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    canaries = ["ada.canary@corp.example", "4111 1111 1111 1111", "xoxb-17653672481-198746983234", "order 00123842"]
    for number, canary in enumerate(canaries * 4):
        topic = TOPICS[number][::-1]
        desk.answer(
            f"{topic} {number} says {canary}", f"Yes, {canary} it is.", votes=[(f"u{number}", "up")],
            history=[{"question": f"About {canary}?", "answer": f"That is {canary}."}],
        )  # fmt: skip
    summary = build(store, tmp_path / "d")
    with store.read() as session:
        stored = "".join(f"{row.question}{row.reference}" for row in session.scalars(select(HeldOutRow)))
    for canary in canaries:
        secret = canary.removeprefix("order ")
        assert secret not in everything(summary) + stored
    assert "<EMAIL>" in everything(summary)
    assert summary.counts["scrubbed"] > 0


def test_a_passage_in_the_prompt_is_scrubbed_too(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()

    def with_passage(asked: Asked, said: str, *, learned: bool) -> tuple[ChatMessage, ...]:
        first, *rest = prompt_for(asked, said, learned=learned)
        return (type(first)("system", "Contact: ada@corp.example"), *rest)

    text = everything(build(store, tmp_path / "d", prompt_for=with_passage))
    assert "ada@corp" not in text
    assert "Contact: <EMAIL>" in text


class Broken:
    @hookimpl
    def scrub_text(self) -> str:
        raise RuntimeError("no model")


class Picky:
    @hookimpl
    def filter_training_example(self, example: TrainingExample) -> bool:
        return "badge" not in example.question and "hotel" not in example.question


class BrokenFilter:
    @hookimpl
    def filter_training_example(self) -> bool:
        raise RuntimeError("no list")


def test_a_failing_scrubber_stops_the_round_before_anything_is_written(
    store: Store, desk: Desk, tmp_path: Path
) -> None:
    desk.many()
    with pytest.raises(PluginError, match="no model"):
        build(store, tmp_path / "d", plugins=plugins_of(store, broken=Broken()))
    assert list(tmp_path.glob("d*")) == []
    with store.read() as session:
        assert session.query(HeldOutRow).count() == 0


def test_without_a_scrubber_there_is_no_round(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    plugins = plugins_of(store)
    plugins.states.switch("pii", "travel", enabled=False, actor="ada")
    with pytest.raises(SettingsError, match="No scrubber is enabled"):
        build(store, tmp_path / "d", plugins=plugins)


def test_a_filter_keeps_rows_out(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    summary = build(store, tmp_path / "d", plugins=plugins_of(store, picky=Picky()))
    trained = "".join(row["messages"][-1]["content"] for row in rows(summary, "preference"))
    assert "badge" not in trained
    assert "hotel" not in trained


def test_a_failing_filter_keeps_every_row_out(store: Store, desk: Desk, tmp_path: Path) -> None:
    desk.many()
    summary = build(store, tmp_path / "d", plugins=plugins_of(store, filter=BrokenFilter()))
    assert summary.counts["rows"] == 0
    assert summary.refusal is not None


def test_too_little_is_refused_in_a_sentence_that_counts_and_freezes_nothing(
    store: Store, desk: Desk, tmp_path: Path
) -> None:
    desk.many(TOPICS[:12])
    summary = build(store, tmp_path / "d", policy=TuningSettings(min_examples=40, min_questions=20))
    assert summary.refusal is not None
    assert "clean rows; 40 are needed" in summary.refusal
    assert "held-out questions; 20 are needed" in summary.refusal
    assert not summary.path.exists()
    with store.read() as session:
        assert session.query(HeldOutRow).count() == 0
