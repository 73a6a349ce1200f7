"""A department's dataset: from votes and corrections to scrubbed rows, with the questions held out that judge them.

votes and corrections → evidence per answer → scrub → duplicates → shares → clusters → split → prompts, filters → files.
The same state of the database gives the same files, so the manifest's SHA-256 is the dataset's identity.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sqlalchemy import select

from bot.artifacts import verify, writing
from bot.errors import SettingsError
from bot.hooks import FAILURES_TO_SWITCH_OFF
from bot.messages import ChatMessage, TrainingExample, Turn
from bot.store.models import AnswerRow, DatasetRowRow, HeldOutRow, QuestionRow
from tuning.clusters import cluster, jaccard, normalise, shingles
from tuning.evidence import Evidence, gather
from tuning.split import choose_held_out, within_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bot.hooks import Plugins
    from bot.settings import TuningSettings
    from bot.store import Store

SAME_ANSWER = 0.9
"""Overlap of two answers to the same question from which on they are one row."""

PEOPLE_SHOWN = 20
_MARK = re.compile(r"<[A-Z_]+>")


class PromptFor(Protocol):
    """Gives the prompt a question was, or would be, served with (retrieval included)."""

    def __call__(
        self, question: QuestionRow, answer: AnswerRow | None, said: str, *, learned: bool
    ) -> tuple[ChatMessage, ...]:
        """Build the prompt for what is to be said; the question's text and history are scrubbed already.

        :param learned: whether that is to be learned from the prompt, not only compared with what is said to it.
        """


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What was built.

    :param sha256: the dataset's identity; ``""`` when the round is refused, because then nothing was written.
    :param counts: rows and questions, and what was dropped, by reason (``dropped: …``).
    :param refusal: ``None``, or a sentence that says what is missing.
    """

    name: str
    path: Path
    sha256: str
    counts: Mapping[str, int]
    refusal: str | None = None


@dataclass(slots=True)
class _Build:
    """What one build carries from step to step."""

    department: str
    plugins: Plugins
    prompt_for: PromptFor
    dropped: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    scrubbed: dict[str, str] = field(default_factory=dict)

    def scrub(self, text: str) -> str:
        """Return the text as every scrubber leaves it.

        :raises PluginError: a scrubber failed; then there is no dataset.
        """
        if text not in self.scrubbed:
            clean = str(self.plugins.fold("scrub_text", "text", text, self.department, closed=True))
            self.spans += Counter(_MARK.findall(clean)) - Counter(_MARK.findall(text))
            self.scrubbed[text] = clean
        return self.scrubbed[text]

    def asked(self, question: QuestionRow | None, text: str, history: Iterable[Turn]) -> QuestionRow:
        """Return a question as it was asked, with its scrubbed text and history and without its asker."""
        turns = [asdict(turn) for turn in history]
        asked = QuestionRow(
            text=text, history=turns, department=self.department, person_id="mentee:tuning", channel="cli"
        )
        if question is not None:
            asked.channel, asked.place, asked.thread = question.channel, question.place, question.thread
        return asked

    def prompt(
        self, asked: QuestionRow, answer: AnswerRow | None, said: str, *, learned: bool
    ) -> tuple[ChatMessage, ...]:
        """Return the served prompt of a scrubbed question, itself scrubbed."""
        messages = self.prompt_for(asked, answer, said, learned=learned)
        return tuple(ChatMessage(message.role, self.scrub(message.content)) for message in messages)


def build_dataset(  # noqa: PLR0913 - the parts of an instance that a dataset comes from
    store: Store,
    department: str,
    *,
    policy: TuningSettings,
    target: Path,
    plugins: Plugins,
    prompt_for: PromptFor,
    as_of: datetime,
) -> DatasetSummary:
    """Build a department's dataset at ``target``, freeze its new held-out questions, and record where each row is from.

    Called again after a kill it ends where it would have; a dataset that is there already is returned as it is.

    :param as_of: votes and corrections after this moment wait for the next round.
    :raises PluginError: a scrubber failed.
    :raises SettingsError: no scrubber is on.
    """
    if target.exists():
        return _summary_of(store, target)
    build = _Build(department, plugins, prompt_for)
    _require_scrubber(build)
    with store.read() as session:
        evidence = gather(session, department, as_of, build.dropped)
        frozen = _frozen(session, department)
    evidence = _without_duplicates(build, [_scrubbed(build, item) for item in evidence])
    shared = within_shares(evidence, policy.person_share)
    build.dropped["over a person's share"] += len(evidence) - len(shared)
    train, held = _split(build, shared, frozen, policy)
    sft, preference = _rows(build, train)
    counts = _counts(build, sft, preference, [*frozen, *held])
    refusal = _refusal(build, policy, counts)
    if refusal:
        return DatasetSummary(target.name, target, "", counts, refusal)
    _freeze(store, department, held)
    files = {"sft": sft, "preference": preference, "held_out": _held_out_rows(store, build)}
    _write(build, target, files, counts, policy=policy.model_dump(), as_of=as_of.isoformat(), people=_people(train))
    return _summary_of(store, target)


def held_out_rows(store: Store, department: str, *, plugins: Plugins, prompt_for: PromptFor) -> list[dict[str, Any]]:
    """Return the department's held-out questions as a dataset's ``held_out.jsonl`` has them, with prompts built now."""
    return _held_out_rows(store, _Build(department, plugins, prompt_for))


def _require_scrubber(build: _Build) -> None:
    if not list(build.plugins.call("scrub_text", build.department, text="")):
        raise SettingsError(
            f"No scrubber is on for department {build.department!r}, so its texts cannot be trained on.",
            hint="Switch one on: `mentee plugins enable personal_data`.",
        )


def _scrubbed(build: _Build, item: Evidence) -> Evidence:
    history = tuple(Turn(build.scrub(turn.question), build.scrub(turn.answer)) for turn in item.history)
    return replace(item, question=build.scrub(item.question), completion=build.scrub(item.completion), history=history)


def _without_duplicates(build: _Build, rows: Iterable[Evidence]) -> list[Evidence]:
    """Merge rows that say the same, and drop answers that are called both right and wrong."""
    groups: dict[tuple[str, tuple[Turn, ...]], list[Evidence]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (-row.weight, row.question, row.completion, row.answer_row.id)):
        group = groups[normalise(row.question), row.history]
        same = next((i for i, other in enumerate(group) if _same(row, other)), None)
        if same is None:
            group.append(row)
        else:
            people = tuple(sorted({*group[same].people, *row.people}))
            group[same] = replace(group[same], people=people, trusted=group[same].trusted or row.trusted)
            build.dropped["duplicate"] += 1
    kept = []
    for group in groups.values():
        right = {row.completion for row in group if row.kind != "down"}
        wrong = {row.completion for row in group if row.kind == "down"}
        build.dropped["called right and wrong"] += sum(row.completion in right & wrong for row in group)
        kept += [row for row in group if row.completion not in right & wrong]
    return sorted(kept, key=lambda row: (row.question, row.history, row.kind, row.completion))


def _same(one: Evidence, other: Evidence) -> bool:
    if (one.kind == "down") != (other.kind == "down"):
        return False
    if one.completion == other.completion:
        return True
    return jaccard(shingles(normalise(one.completion)), shingles(normalise(other.completion))) >= SAME_ANSWER


def _split(
    build: _Build, rows: Sequence[Evidence], frozen: Sequence[HeldOutRow], policy: TuningSettings
) -> tuple[list[tuple[Evidence, str]], list[HeldOutRow]]:
    """Return the rows to train on with their clusters, and the questions to freeze."""
    clusters = cluster([*(row.question for row in rows), *(row.question for row in frozen)])
    taken = {clusters[row.question] for row in frozen}
    questions = {row.question: clusters[row.question] for row in rows if clusters[row.question] not in taken}
    best: dict[str, Evidence] = {}
    for row in sorted(rows, key=lambda row: (row.kind != "correction", -row.weight, row.completion)):
        if row.kind != "down" and row.question in questions:
            best.setdefault(row.question, row)
    chosen = choose_held_out(
        questions,
        best,
        len(frozen),
        share=policy.held_out_share,
        least=policy.min_questions,
        least_rows=policy.min_examples,
    )
    held = [
        _held_out(build, best[text], name)
        for text, name in sorted(questions.items())
        if name in chosen and text in best
    ]
    train = [(row, clusters[row.question]) for row in rows if clusters[row.question] not in taken | chosen]
    build.dropped["near a held-out question"] += sum(clusters[row.question] in taken for row in rows)
    return train, held


def _held_out(build: _Build, row: Evidence, name: str) -> HeldOutRow:
    return HeldOutRow(
        id=_id("h", build.department, row.question),
        department=build.department,
        question=row.question,
        reference=row.completion,
        cluster=name,
        answer_id=row.answer_row.id,
    )


def _rows(build: _Build, train: Iterable[tuple[Evidence, str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return supervised and preference rows; a correction is both, with its original as the answer to avoid."""
    sft, preference = [], []
    for item, name in train:
        asked = build.asked(item.question_row, item.question, item.history)
        messages = build.prompt(asked, item.answer_row, item.completion, learned=True)
        example = TrainingExample(
            id=_id("x", build.department, item.kind, item.question, str(item.history), item.completion),
            department=build.department,
            kind=item.kind,
            question=item.question,
            messages=messages,
            completion=item.completion,
            weight=item.weight,
            people=item.people,
            answer_id=item.answer_row.id,
        )
        if not item.completion.strip() or not _allowed(build, example):
            build.dropped["kept out by a filter" if item.completion.strip() else "empty after scrubbing"] += 1
            continue
        label: Literal["up", "down"] = "down" if item.kind == "down" else "up"
        row = _row(example, label, name)
        preference.append(row)
        if label == "up":
            sft.append(row)
    return sft, preference


def _allowed(build: _Build, example: TrainingExample) -> bool:
    """Ask the filters; one that failed so often that it was switched off keeps everything after it out."""
    for result in build.plugins.call("filter_training_example", build.department, example=example):
        if result.error is not None:
            build.failures[result.plugin] += 1
        if result.error is not None or result.value is not True:
            return False
    return max(build.failures.values(), default=0) < FAILURES_TO_SWITCH_OFF


def _row(example: TrainingExample, label: str, name: str) -> dict[str, Any]:
    return {
        "id": example.id,
        "messages": [{"role": message.role, "content": message.content} for message in example.messages],
        "completion": example.completion,
        "kind": example.kind,
        "label": label,
        "weight": example.weight,
        "people": list(example.people),
        "answer_id": example.answer_id,
        "cluster": name,
    }


def _held_out_rows(store: Store, build: _Build) -> list[dict[str, Any]]:
    rows = []
    with store.read() as session:
        for held in _frozen(session, build.department):
            answer = session.get(AnswerRow, held.answer_id) if held.answer_id else None
            question = session.get(QuestionRow, answer.question_id) if answer else None
            history = question.history if question else []
            turns = [Turn(build.scrub(turn["question"]), build.scrub(turn["answer"])) for turn in history]
            asked = build.asked(question, held.question, turns)
            messages = build.prompt(asked, answer, held.reference, learned=False)
            rows.append(
                {
                    "id": held.id,
                    "question": held.question,
                    "reference": held.reference,
                    "messages": [{"role": message.role, "content": message.content} for message in messages],
                    "answer_id": held.answer_id,
                    "cluster": held.cluster,
                }
            )
    return rows


def _frozen(session: Any, department: str) -> list[HeldOutRow]:
    statement = select(HeldOutRow).where(HeldOutRow.department == department).order_by(HeldOutRow.id)
    return list(session.scalars(statement))


def _freeze(store: Store, department: str, held: Iterable[HeldOutRow]) -> None:
    with store.write() as session:
        there = {row.question for row in _frozen(session, department)}
        session.add_all([row for row in held if row.question not in there])


def _write(
    build: _Build,
    target: Path,
    files: Mapping[str, Iterable[Mapping[str, Any]]],
    counts: Mapping[str, int],
    **meta: Any,
) -> None:
    with writing(target, "dataset") as draft:
        for name, rows in files.items():
            lines = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
            (draft.path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        draft.meta |= {"department": build.department, "counts": counts, **meta}
        draft.meta["scrubbed_spans"] = dict(sorted(build.spans.items()))


def _summary_of(store: Store, target: Path) -> DatasetSummary:
    """Return the summary of a dataset on disk, after seeing to it that its rows are recorded."""
    manifest = verify(target, "dataset")
    lines = [
        line for name in ("sft", "preference") for line in (target / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]
    rows = {row["id"]: row for row in map(json.loads, lines)}
    with store.write() as session:
        there = set(session.scalars(select(DatasetRowRow.example).where(DatasetRowRow.dataset == target.name)))
        session.add_all(
            DatasetRowRow(dataset=target.name, example=key, answer_id=row["answer_id"], people=row["people"])
            for key, row in sorted(rows.items())
            if key not in there
        )
    return DatasetSummary(target.name, target, manifest.sha256, manifest.meta["counts"])


def _counts(build: _Build, sft: Sequence[Any], preference: Sequence[Any], held: Sequence[HeldOutRow]) -> dict[str, int]:
    counts = {
        "rows": len({row["id"] for row in preference}),
        "sft": len(sft),
        "up": sum(row["label"] == "up" for row in preference),
        "down": sum(row["label"] == "down" for row in preference),
        "held_out": len(held),
        "clusters": len({row["cluster"] for row in preference}),
        "scrubbed": build.spans.total(),
    }
    return counts | {f"dropped: {reason}": number for reason, number in sorted(build.dropped.items()) if number}


def _refusal(build: _Build, policy: TuningSettings, counts: Mapping[str, int]) -> str | None:
    missing = []
    if counts["rows"] < policy.min_examples:
        missing.append(f"{counts['rows']} clean rows; {policy.min_examples} are needed")
    if counts["held_out"] < policy.min_questions:
        missing.append(f"{counts['held_out']} held-out questions; {policy.min_questions} are needed")
    if not missing:
        return None
    left_out = [f"{number} {reason}" for reason, number in build.dropped.most_common() if number]
    why = f" Left out: {', '.join(left_out)}." if left_out else ""
    return f"Too little to learn from: {', and '.join(missing)}.{why}"


def _people(train: Iterable[tuple[Evidence, str]]) -> dict[str, Any]:
    """Return how many people stand behind the rows and the largest numbers of rows that single people have."""
    rows = Counter(person for item, _ in train for person in item.people)
    return {"count": len(rows), "rows": dict(rows.most_common(PEOPLE_SHOWN))}


def _id(prefix: str, *texts: str) -> str:
    return f"{prefix}_{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:32]}"
