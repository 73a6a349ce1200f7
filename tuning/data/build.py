"""Builds a department's dataset: scrubbed training rows, and held-out questions to evaluate on.

votes and corrections → screening → ratings → scrub → duplicates → shares → clusters → split → shares → prompts, filters
→ files.
The same state of the database gives the same files, so the manifest's SHA-256 is the dataset's identity.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.domain.training import TrainingExample
from bot.storage.artifacts import verify, writing
from bot.storage.jsonl import read_lines
from bot.storage.tables.training import DatasetRowRow, HeldOutRow
from tuning.data.aggregate import aggregate, chunk_ids
from tuning.data.dedup import cluster, without_duplicates
from tuning.data.held import HeldVotes
from tuning.data.prompts import Asked
from tuning.data.screening import SET_ASIDE
from tuning.data.scrub import Scrubber
from tuning.data.split import choose_held_out, within_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bot.access.departments import Department
    from bot.access.rights import Rights
    from bot.config.core import TuningSettings
    from bot.domain.feedback import RatedAnswer
    from bot.domain.questions import ChatMessage
    from bot.feedback.history import FeedbackHistory
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from bot.storage.session import Store
    from tuning.data.aggregate import Rating
    from tuning.data.prompts import PromptFor
    from tuning.data.screening import Screened

PEOPLE_SHOWN = 20

Row = dict[str, Any]
"""A line of a dataset's file."""


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """The result of a build.

    :param sha256: the dataset's identity; ``""`` if nothing was written because the round is refused.
    :param counts: rows and questions, and what was dropped, by reason (``dropped: …``).
    :param refusal: why there is no dataset: what is missing, and how much.
    """

    name: str
    path: Path
    sha256: str
    counts: Mapping[str, int]
    refusal: str | None = None


class DatasetBuilder:
    """Builds the datasets of an instance.

    :param prompts: returns the function that builds a department's prompts.
    """

    def __init__(  # noqa: PLR0913 - one for each thing it reads
        self,
        store: Store,
        plugins: PluginHost,
        *,
        feedback: FeedbackHistory,
        history: History,
        rights: Rights,
        prompts: Callable[[Department], PromptFor],
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._held = HeldVotes(store, feedback)
        self._history = history
        self._rights = rights
        self._prompts = prompts

    def build(
        self, department: Department, target: Path, *, as_of: datetime, check_in: Callable[[], None] = lambda: None
    ) -> DatasetSummary:
        """Build a dataset at ``target``, freeze new held-out questions, and record where each row came from.

        If interrupted, call it again: the result is the same. An existing dataset is returned as it is.

        :param as_of: votes and corrections after this moment wait for the next round.
        :param check_in: called before each prompt; what it raises ends the build.
        :raises PluginError: a scrubber failed.
        :raises SettingsError: no scrubber is on.
        """
        if target.exists():
            return self._summary_of(target)
        build, policy = self._begin(department, check_in), department.tuning
        build.scrubber.require()
        frozen = self._frozen(department.name)
        screened = self._held.screened(department, as_of)
        build.set_aside(screened)
        ratings = aggregate(self._open_to_all(build, screened.rated), build.dropped)
        ratings = without_duplicates(map(build.scrubber.rating, ratings), build.dropped)
        shared = build.within_shares(ratings, policy)
        train, held = _split(build, shared, frozen, policy)
        sft, preference = self._rows(build, train)
        counts = _counts(build, sft, preference, [*frozen, *held])
        if refusal := _refusal(build, policy, counts):
            return DatasetSummary(target.name, target, "", counts, refusal)
        self._freeze(department.name, held)
        files = {"sft": sft, "preference": preference, "held_out": self._held_out_rows(build)}
        _write(build, target, files, counts, policy=policy.model_dump(), as_of=as_of.isoformat(), people=_people(train))
        return self._summary_of(target)

    def held_out(self, department: Department) -> list[Row]:
        """Return the held-out questions as a dataset's ``held_out.jsonl`` has them, with fresh prompts."""
        return self._held_out_rows(self._begin(department, lambda: None))

    def _begin(self, department: Department, check_in: Callable[[], None]) -> _Build:
        return _Build(department.name, Scrubber(self._plugins, department.name), self._prompts(department), check_in)

    def _open_to_all(self, build: _Build, rated: Sequence[RatedAnswer]) -> list[RatedAnswer]:
        """Leave out answers that somebody who may ask the department may not see: everybody hears what it learned."""
        seen = self._rights.everyones_sight(build.department).each(each.exchange.grounds for each in rated)
        kept = [each for each, may_see in zip(rated, seen, strict=True) if may_see]
        build.dropped["rests on what not everyone in the department may read"] += len(rated) - len(kept)
        return kept

    def _rows(self, build: _Build, train: Iterable[tuple[Rating, str]]) -> tuple[list[Row], list[Row]]:
        """Return supervised and preference rows. A correction gives both, and its original is the answer to avoid."""
        sft, preference = [], []
        for item, name in train:
            asked = Asked(item.question, item.history, item.chunks)
            example = TrainingExample(
                id=_id("x", build.department, item.kind, item.question, str(item.history), item.completion),
                department=build.department,
                kind=item.kind,
                question=item.question,
                messages=build.prompt(asked, item.completion, learned=True),
                completion=item.completion,
                weight=item.weight,
                people=item.people,
                answer_id=item.answer_id,
            )
            if not item.completion.strip() or not self._plugins.filter_training_example(example, build.department):
                build.dropped["kept out by a filter" if item.completion.strip() else "empty after scrubbing"] += 1
                continue
            row = _row(example, name)
            preference.append(row)
            if row["label"] == "up":
                sft.append(row)
        return sft, preference

    def _held_out_rows(self, build: _Build) -> list[Row]:
        frozen = self._frozen(build.department)
        origins = {
            each.answer.id: each
            for each in self._history.of_answers([row.answer_id for row in frozen if row.answer_id])
        }
        everyone = self._rights.everyones_sight(build.department)
        rows = []
        for held in frozen:
            origin = origins.get(held.answer_id or "")
            if origin is not None and not everyone.sees(origin.grounds):
                continue
            turns = build.scrubber.turns(origin.question.history) if origin else ()
            asked = Asked(held.question, turns, chunk_ids(origin) if origin else ())
            rows.append(
                {
                    "id": held.id,
                    "question": held.question,
                    "reference": held.reference,
                    "messages": _plain(build.prompt(asked, held.reference, learned=False)),
                    "answer_id": held.answer_id,
                    "cluster": held.cluster,
                }
            )
        return rows

    def _frozen(self, department: str) -> list[HeldOutRow]:
        statement = select(HeldOutRow).where(HeldOutRow.department == department).order_by(HeldOutRow.id)
        with self._store.read() as session:
            return list(session.scalars(statement))

    def _freeze(self, department: str, held: Iterable[HeldOutRow]) -> None:
        frozen = select(HeldOutRow.question).where(HeldOutRow.department == department)
        with self._store.write() as session:
            there = set(session.scalars(frozen))
            session.add_all([row for row in held if row.question not in there])

    def _summary_of(self, target: Path) -> DatasetSummary:
        """Record the rows of a dataset on disk, unless they are recorded already, and return its summary."""
        manifest = verify(target, "dataset")
        rows = {row["id"]: row for name in ("sft", "preference") for row in read_lines(target / f"{name}.jsonl")}
        with self._store.write() as session:
            there = set(session.scalars(select(DatasetRowRow.example).where(DatasetRowRow.dataset == target.name)))
            session.add_all(
                DatasetRowRow(dataset=target.name, example=key, answer_id=row["answer_id"], people=row["people"])
                for key, row in sorted(rows.items())
                if key not in there
            )
        return DatasetSummary(target.name, target, manifest.sha256, manifest.meta["counts"])


@dataclass(slots=True)
class _Build:
    """State shared by the steps of one build."""

    department: str
    scrubber: Scrubber
    prompt_for: PromptFor
    check_in: Callable[[], None]
    dropped: Counter[str] = field(default_factory=Counter)
    screening: Counter[str] = field(default_factory=Counter)

    def set_aside(self, screened: Screened) -> None:
        """Count what screening left out."""
        self.screening["held"] = sum(not each.quarantined for each in screened.held)
        self.screening["quarantined"] = len(screened.held) - self.screening["held"]
        self.screening["discarded"] = screened.discarded
        self.dropped.update(f"{'quarantined' if each.quarantined else 'held'}: {each.reason}" for each in screened.held)
        self.dropped["discarded by an operator"] += screened.discarded

    def within_shares(self, rows: Sequence[Rating], policy: TuningSettings) -> list[Rating]:
        """Limit everybody's share of the rows, and count what that costs."""
        kept = within_shares(rows, person=policy.person_share, agent=policy.agent_share)
        self.screening["capped"] += len(rows) - len(kept)
        self.dropped["over a person's share"] += len(rows) - len(kept)
        return kept

    def prompt(self, asked: Asked, said: str, *, learned: bool) -> tuple[ChatMessage, ...]:
        """Return the scrubbed prompt of a scrubbed question."""
        self.check_in()
        return self.scrubber.messages(self.prompt_for(asked, said, learned=learned))


def _split(
    build: _Build, rows: Sequence[Rating], frozen: Sequence[HeldOutRow], policy: TuningSettings
) -> tuple[list[tuple[Rating, str]], list[HeldOutRow]]:
    """Return the rows to train on with their clusters, and the questions to freeze."""
    clusters = cluster([*(row.question for row in rows), *(row.question for row in frozen)])
    taken = {clusters[row.question] for row in frozen}
    questions = {row.question: clusters[row.question] for row in rows if clusters[row.question] not in taken}
    best: dict[str, Rating] = {}
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
    left = [row for row in rows if clusters[row.question] not in taken | chosen]
    train = [(row, clusters[row.question]) for row in build.within_shares(left, policy)]
    build.dropped["near a held-out question"] += sum(clusters[row.question] in taken for row in rows)
    return train, held


def _held_out(build: _Build, row: Rating, name: str) -> HeldOutRow:
    return HeldOutRow(
        id=_id("h", build.department, row.question),
        department=build.department,
        question=row.question,
        reference=row.completion,
        cluster=name,
        answer_id=row.answer_id,
    )


def _row(example: TrainingExample, name: str) -> Row:
    return {
        "id": example.id,
        "messages": _plain(example.messages),
        "completion": example.completion,
        "kind": example.kind,
        "label": "down" if example.kind == "down" else "up",
        "weight": example.weight,
        "people": list(example.people),
        "answer_id": example.answer_id,
        "cluster": name,
    }


def _plain(messages: Iterable[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _write(
    build: _Build, target: Path, files: Mapping[str, Iterable[Row]], counts: Mapping[str, int], **meta: Any
) -> None:
    with writing(target, "dataset") as draft:
        for name, rows in files.items():
            lines = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
            (draft.path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        draft.meta |= {"department": build.department, "counts": counts, **meta}
        draft.meta["scrubbed_spans"] = dict(sorted(build.scrubber.removed.items()))


def _counts(build: _Build, sft: Sequence[Row], preference: Sequence[Row], held: Sequence[HeldOutRow]) -> dict[str, int]:
    counts = {
        "rows": len({row["id"] for row in preference}),
        "sft": len(sft),
        "up": sum(row["label"] == "up" for row in preference),
        "down": sum(row["label"] == "down" for row in preference),
        "held_out": len(held),
        "clusters": len({row["cluster"] for row in preference}),
        "scrubbed": build.scrubber.removed.total(),
        **{name: build.screening[name] for name in SET_ASIDE},
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
    see = " `mentee votes held` lists what waits for you." if build.screening["held"] else ""
    return f"Too little to learn from: {', and '.join(missing)}.{why}{see}"


def _people(train: Iterable[tuple[Rating, str]]) -> dict[str, Any]:
    """Return how many people contributed, and the people with the most rows."""
    rows = Counter(person for item, _ in train for person in item.people)
    return {"count": len(rows), "rows": dict(rows.most_common(PEOPLE_SHOWN))}


def _id(prefix: str, *texts: str) -> str:
    return f"{prefix}_{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:32]}"
