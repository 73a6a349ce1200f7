"""What a round does, stage by stage. Each stage can be begun again after a kill: it finds what it has done already.

``dataset → train → evaluate → gate → publish → report``; :mod:`tuning.rounds` runs them as one durable workflow. A
stage returns plain values that the next ones receive; an ``end`` among them ends the round.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from bot.artifacts import write_atomically
from bot.errors import ArtifactError, MenteeError
from bot.messages import RoundFinished, now
from bot.store.models import DatasetRowRow
from tuning import children
from tuning.gate import GUARDS, decide
from tuning.job import TrainJob
from tuning.registry import BASE, Registry, check_sound
from tuning.round_book import RoundBook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.app import Mentee
    from bot.departments import Department
    from bot.store.models import RoundRow

STAGES = ("dataset", "train", "evaluate", "gate", "publish", "report")
MAX_KILLS = 5
"""Children of one stage that may be killed one after the other; beyond it, the cause is here and not outside."""

CANARY = re.compile(r"\bcanary[-_ ]?[0-9a-f]{8,}\b", re.IGNORECASE)
"""Shape of the marks that operators put into private texts to see whether a model repeats them."""

REPORTED = ("loss", "tokens_per_second", "eta_seconds", "steps")

log = structlog.get_logger(__name__)

Carried = dict[str, Any]


class StoppedError(BaseException):
    """The process is ending: the round is left as it is and goes on at the next start.

    Not an ``Exception``, because the workflow engine records those as the round's outcome.
    """


class Stages:
    """The stages of one round.

    :param stopping: says that the process is to end.
    """

    def __init__(self, mentee: Mentee, round_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
        self.mentee = mentee
        self.round_id = round_id
        self.book = RoundBook(mentee)
        self.registry = Registry(mentee)
        self.folder = mentee.settings.artifacts_dir / "rounds" / round_id
        self._stopping = stopping

    def run(self, stage: str, carried: Carried) -> Carried:
        """Run a stage and return what it adds; an unexpected end is told as ``{"end": "failed", "reason": …}``."""
        if self.book.get(self.round_id).state == "cancelled":
            return {"end": "cancelled"}
        self.book.update(self.round_id, stage=stage)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            result: Carried = getattr(self, stage)(carried)
        except children.ChildStoppedError:
            return {"end": "cancelled"}
        except MenteeError as error:
            log.warning("round_failed", round=self.round_id, stage=stage, problem=error.text)
            return {"end": "failed", "reason": f"{stage}: {error}"}
        except Exception as error:
            log.exception("round_failed", round=self.round_id, stage=stage)
            # The traceback's frames may hold a half-read cursor, and with it SQLite's lock, until they are collected.
            traceback.clear_frames(error.__traceback__)
            return {"end": "failed", "reason": f"{stage}: {type(error).__name__}: {error}"}
        return result

    def dataset(self, _: Carried) -> Carried:
        """Freeze held-out questions and write the scrubbed dataset, or refuse for lack of data."""
        from tuning.dataset import build_dataset
        from tuning.prompts import ServedPrompts

        row, department = self._row(), self._department()
        summary = build_dataset(
            self.mentee.store,
            department.name,
            policy=department.tuning,
            target=self.mentee.settings.artifacts_dir / "datasets" / f"{department.name}-{self.round_id}",
            plugins=self.mentee.plugins,
            prompt_for=ServedPrompts(self.mentee, department),
            as_of=row.created_at,
        )
        counts = dict(summary.counts)
        if summary.refusal:
            return {"end": "finished", "verdict": "refused", "reason": summary.refusal, "counts": counts}
        champion = self.registry.champion(department.name)
        reading = self.mentee.retriever.has_documents(department.name)
        if champion is not None and self.mentee.champions.get(department.name, reading=reading) is None:
            champion = None  # the base model answers now
        self.book.update(self.round_id, dataset=summary.name, champion=champion)
        return {"dataset": str(summary.path), "dataset_sha256": summary.sha256, "counts": counts, "champion": champion}

    def train(self, carried: Carried) -> Carried:
        """Train the challenger in a child process; a kill resumes from the newest checkpoint."""
        department, policy = self._department(), self._department().tuning
        settings = self.mentee.settings
        output, work = self.folder / "challenger", self.folder / "work"
        work.mkdir(exist_ok=True)
        job = work / "train.json"
        if not job.exists():  # the numbers of threads and so on stay those the round began with
            champion = carried["champion"]
            TrainJob(
                round_id=self.round_id,
                department=department.name,
                base_model=self.registry.base_path(),
                base_name=settings.model.name,
                dataset=Path(carried["dataset"]),
                output=output,
                work=work,
                champion=self.registry.path(champion) if champion else None,
                parent=champion,
                dtype=settings.model.training_dtype,
                seed=policy.seed,
                lora_rank=policy.lora_rank,
                learning_rate=policy.learning_rate,
                epochs=policy.epochs,
                batch_size=policy.batch_size,
                kto_learning_rate=policy.kto_learning_rate,
                kto_beta=policy.kto_beta,
                max_answer_tokens=settings.model.max_new_tokens,
                max_tokens=max(1024, 4 * settings.model.max_new_tokens),
                threads=settings.model.threads or os.cpu_count() or 1,
            ).write(job)
        if not output.exists():
            self._child("tuning.train", job, work / "progress.jsonl")
        try:
            check_sound(output, self.registry.base())
        except ArtifactError as error:
            reason = f"refused: champion stays. {error.text}"
            return {"end": "finished", "verdict": "refused", "reason": reason, "challenger": str(output)}
        return {"challenger": str(output)}

    def evaluate(self, carried: Carried) -> Carried:
        """Let champion and challenger answer the held-out questions, in a child process."""
        from tuning.evaluate import EvaluateJob, Side

        challenger = Path(carried["challenger"])
        champion = carried["champion"]
        settings = self.mentee.settings
        work = self.folder / "work"
        job = work / "evaluate.json"
        EvaluateJob(
            model=str(self.registry.base_path()),
            sides=(
                Side("champion", champion or BASE, str(self.registry.path(champion)) if champion else None),
                Side("challenger", f"challenger-{self.round_id}", str(challenger)),
            ),
            questions=str(Path(carried["dataset"]) / "held_out.jsonl"),
            out=str(self.folder),
            cache=str(settings.artifacts_dir / "answers"),
            progress=str(work / "progress-evaluate.jsonl"),
            max_new_tokens=settings.model.max_new_tokens,
            dtype=settings.model.dtype,
            threads=settings.model.threads,
            refusal_chance=self._department().answers.refusal_chance(),
        ).write(job)
        self._child("tuning.evaluate", job, work / "progress-evaluate.jsonl")
        return {}

    def gate(self, _: Carried) -> Carried:
        """Compare the answers and decide."""
        department = self._department()
        sides = judged(self.mentee, department.name, self.folder, ("champion", "challenger"))
        clusters = [row["cluster"] for row in sides["champion"]]
        decision = decide(
            [row["scores"] for row in sides["champion"]],
            [row["scores"] for row in sides["challenger"]],
            clusters,
            minimum=department.tuning.min_questions,
            looks=self.book.looks(self.round_id),
            seed=department.tuning.seed,
            guards=GUARDS,
        )
        metrics = decision.metrics_json()
        self.book.update(self.round_id, metrics=metrics)
        seen = {"n": decision.n, "looks": decision.looks, "confidence": decision.confidence}
        return {"verdict": decision.verdict, "reason": decision.reason, "metrics": metrics, **seen}

    def publish(self, carried: Carried) -> Carried:
        """Put the challenger into the registry, and in the champion's place when it is better."""
        row, verdict = self._row(), carried["verdict"]
        state = "challenger" if verdict == "better" else "refused"
        try:
            version = self.registry.publish(
                Path(carried["challenger"]),
                row.department,
                round_id=self.round_id,
                dataset=row.dataset,
                state=state,
            )
        except ArtifactError as error:
            return {"verdict": "refused", "reason": f"refused: champion stays. {error.text}", "adapter": None}
        if verdict == "better":
            self.registry.promote(row.department, version, actor=f"round {self.round_id}", reason=carried["reason"])
        self.book.update(self.round_id, adapter=version)
        return {"adapter": version}

    def report(self, carried: Carried) -> Carried:
        """Write the report for people."""
        from tuning.report import write_report

        write_atomically(self.folder / "outcome.json", json.dumps(carried, indent=2, ensure_ascii=False))
        path = write_report(self.mentee, self.round_id, carried)
        return {"report": str(path)}

    def finish(self, carried: Carried) -> None:
        """Record the end and tell the plugins. A cancelled round keeps what :meth:`RoundBook.cancel` said."""
        end = carried.get("end", "finished")
        if end != "cancelled":
            columns = {"verdict": carried.get("verdict"), "reason": carried.get("reason", "")}
            self.book.update(self.round_id, state=end, finished_at=now(), **columns)
        row = self._row()
        event = RoundFinished(
            row.id, row.department, row.verdict or row.state, row.reason, row.adapter, voters=self._voters(row.dataset)
        )
        list(self.mentee.plugins.values("on_round_finished", row.department, event=event))
        log.info("round_ended", round=row.id, state=row.state, verdict=row.verdict, adapter=row.adapter)

    def _child(self, module: str, job: Path, progress: Path) -> None:
        for kill in range(1, MAX_KILLS + 1):
            try:
                children.run(module, job, progress, on_progress=self._note, should_stop=self._should_stop)
            except children.ChildKilledError as error:
                if kill == MAX_KILLS:
                    raise MenteeError(
                        f"{error.text} That was the {kill}th time in a row.",
                        hint="Most often the machine is out of memory: lower tuning.batch_size.",
                    ) from error
                self.book.interrupted(self.round_id)
                continue
            except children.ChildStoppedError:
                if self._stopping():
                    raise StoppedError from None
                raise
            return

    def _note(self, line: Mapping[str, Any]) -> None:
        """Copy a line of progress to the database and to the plugins."""
        if device := line.get("device"):
            self.book.update(self.round_id, device=f"{device}: {line.get('reason', '')}".removesuffix(": ")[:64])
        phase, step = line.get("phase"), line.get("step")
        if phase is None or not isinstance(step, int):
            return
        department = self._row().department
        for name in REPORTED:
            value = line.get(name)
            if isinstance(value, int | float):
                self.book.add_metric(self.round_id, f"{phase}.{name}", step, float(value))
                told = {"round_id": self.round_id, "name": f"{phase}.{name}", "step": step, "value": float(value)}
                list(self.mentee.plugins.values("on_round_metric", department, **told))

    def _should_stop(self) -> bool:
        return self._stopping() or self._row().state == "cancelled"

    def _voters(self, dataset: str | None) -> tuple[str, ...]:
        if dataset is None:
            return ()
        with self.mentee.store.read() as session:
            rows = session.scalars(select(DatasetRowRow.people).where(DatasetRowRow.dataset == dataset)).all()
        return tuple(sorted({person for people in rows for person in people}))

    def _row(self) -> RoundRow:
        return self.book.get(self.round_id)

    def _department(self) -> Department:
        return self.mentee.departments.get(self._row().department)


def judged(mentee: Mentee, department: str, folder: Path, sides: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """Read the sides' answers and add the score ``private``: 1 when an answer holds what no answer may.

    That is a canary, or what the scrubbers take for personal data, unless the question or the reference holds it too.
    """
    from tuning.evaluate import read_answers

    found = {side: read_answers(folder / f"answers-{side}.jsonl") for side in sides}
    for rows in found.values():
        for row in rows:
            row["scores"]["private"] = float(_leaks(mentee, department, row))
    return found


def _leaks(mentee: Mentee, department: str, row: Mapping[str, Any]) -> bool:
    given = f"{row['question']}\n{row['reference']}"
    if any(match not in given for match in CANARY.findall(row["answer"])):
        return True
    scrubbed = mentee.plugins.fold("scrub_text", "text", row["answer"], department, closed=True)
    removed = set(row["answer"].split()) - set(str(scrubbed).split())
    return any(word not in given for word in removed)
