"""What a round does, stage by stage: ``dataset → train → evaluate → gate → publish → report``.

A stage returns plain values. They are stored with the round and passed to later stages; an ``end`` ends the round. An
interrupted stage runs again and finds what it has already done. If you change the meaning of a stage's result, rename
the stage, so that rounds begun by an older version run it again.
"""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import OperationalError

from bot.domain.errors import ArtifactError, BusyError, MenteeError
from bot.domain.identifiers import now
from bot.domain.training import RoundFinished
from bot.storage.artifacts import write_atomically
from tuning.evaluation.gate import GUARDS, PROMOTED, STAYS, decide
from tuning.rounds import processes
from tuning.rounds.champions import ChampionChangedError
from tuning.rounds.registry import BASE, check_sound
from tuning.rounds.store import NotHeldError
from tuning.training.job import TrainJob, read_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.access.departments import Department, Departments
    from bot.config.settings import Settings
    from bot.hooks.host import PluginHost
    from bot.storage.tables.training import RoundRow
    from tuning.data.build import DatasetBuilder
    from tuning.rounds.registry import Registry
    from tuning.rounds.store import RoundStore

STAGES = ("dataset", "train", "evaluate", "gate", "publish", "report")
MAX_KILLS = 5
"""How often in a row a stage's child process may be killed before the round fails."""

FROM_POLICY = {"seed", "lora_rank", "learning_rate", "epochs", "batch_size", "kto_learning_rate", "kto_beta"}
PLACES = ("base_model", "dataset", "output", "work", "champion")
REPORTED = ("loss", "tokens_per_second", "eta_seconds", "steps")

log = structlog.get_logger(__name__)

Carried = dict[str, Any]
"""The combined results of the finished stages."""


class StoppedError(Exception):
    """The process is stopping. The round stays as it is; another worker, or the next start, continues it."""


@dataclass(frozen=True, slots=True)
class Services:
    """The services that stages use.

    :param answering: returns the adapter that answers for a department now, ``None`` for the base model.
    """

    settings: Settings
    departments: Departments
    plugins: PluginHost
    rounds: RoundStore
    registry: Registry
    datasets: DatasetBuilder
    answering: Callable[[str], str | None]


class Stages:
    """The stages of one round.

    :param stopping: returns whether this process is stopping.
    """

    def __init__(self, services: Services, round_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
        self.folder = services.settings.artifacts_dir / "rounds" / round_id
        self._services = services
        self._rounds, self._registry, self._settings = services.rounds, services.registry, services.settings
        self._round_id = round_id
        self._stopping = stopping

    def carry(self, results: Mapping[str, Carried]) -> None:
        """Run the remaining stages and record the outcome.

        :param results: the results of the finished stages.
        :raises StoppedError: the process is ending.
        :raises NotHeldError: the round was cancelled, or another worker has taken it up.
        """
        results = dict(results)
        while stage := next_stage(results):
            results[stage] = self.run(stage, merged(results))
            self._rounds.update(self._round_id, results=dict(results))
        self.finish(merged(results))

    def run(self, stage: str, carried: Carried) -> Carried:
        """Run a stage and return its result. If it fails, that is ``{"end": "failed", "reason": …}``."""
        self._rounds.update(self._round_id, stage=stage)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            result: Carried = getattr(self, f"_{stage}")(carried)
        except (StoppedError, NotHeldError, OperationalError, BusyError):
            raise  # no fault of the stage: the round goes on later
        except MenteeError as error:
            log.warning("round_failed", round=self._round_id, stage=stage, problem=error.text)
            return {"end": "failed", "reason": f"{stage}: {error}"}
        except Exception as error:
            log.exception("round_failed", round=self._round_id, stage=stage)
            # The traceback's frames may hold a half-read cursor, and with it SQLite's lock, until they are collected.
            traceback.clear_frames(error.__traceback__)
            return {"end": "failed", "reason": f"{stage}: {type(error).__name__}: {error}"}
        return result

    def finish(self, carried: Carried) -> None:
        """Tell plugins the verdict and record the end. If interrupted in between, plugins are told again."""
        verdict, reason = carried.get("verdict"), carried.get("reason", "")
        self._rounds.update(self._round_id, verdict=verdict, reason=reason, finished_at=now())
        end = carried.get("end", "finished")
        self.announce(verdict or end)
        self._rounds.end(self._round_id, end)
        log.info("round_ended", round=self._round_id, state=end, verdict=verdict, adapter=carried.get("adapter"))

    def announce(self, verdict: str) -> None:
        """Call ``on_round_finished``."""
        row = self._row()
        voters = self._rounds.voters(row.dataset)
        self._services.plugins.on_round_finished(
            RoundFinished(
                row.id, row.department, verdict, row.reason, row.adapter, voters=voters, approval=row.approval
            )
        )

    def _dataset(self, _: Carried) -> Carried:
        """Freeze held-out questions and write the scrubbed dataset, or refuse if there is too little data."""
        row, department = self._row(), self._department()
        summary = self._services.datasets.build(
            department,
            self._settings.artifacts_dir / "datasets" / f"{department.name}-{self._round_id}",
            as_of=row.created_at,
            check_in=self._check_in,
        )
        counts = dict(summary.counts)
        if summary.refusal:
            return {"end": "finished", "verdict": "refused", "reason": summary.refusal, "counts": counts}
        champion = self._services.answering(department.name)
        self._rounds.update(self._round_id, dataset=summary.name, champion=champion)
        return {"dataset": str(summary.path), "dataset_sha256": summary.sha256, "counts": counts, "champion": champion}

    def _train(self, carried: Carried) -> Carried:
        """Train the challenger in a child process. If interrupted, training resumes from the newest checkpoint."""
        output, work = self.folder / "challenger", self.folder / "work"
        work.mkdir(exist_ok=True)
        job, made = work / "train.json", self._train_job(carried, output, work)
        if job.exists():  # an interrupted training keeps the settings it began with, wherever it was restored to
            places = {name: getattr(made, name) for name in PLACES}
            made = replace(read_job(job), **places)
        made.write(job)
        if not output.exists():
            self._child("tuning.training.train", job, work / "progress.jsonl")
        try:
            check_sound(output, self._registry.base())
        except ArtifactError as error:
            reason = f"{STAYS} {error.text}"
            return {"end": "finished", "verdict": "refused", "reason": reason, "challenger": str(output)}
        return {"challenger": str(output)}

    def _train_job(self, carried: Carried, output: Path, work: Path) -> TrainJob:
        department, model = self._department(), self._settings.model
        champion = None if self._registry.stale(carried["champion"]) else carried["champion"]
        return TrainJob(
            round_id=self._round_id,
            department=department.name,
            base_model=self._registry.base_path(),
            base_name=model.name,
            dataset=self._dataset_path(carried),
            output=output,
            work=work,
            champion=self._registry.path(champion) if champion else None,
            parent=champion,
            dtype=model.training_dtype,
            **department.tuning.model_dump(include=FROM_POLICY),
            max_answer_tokens=model.max_new_tokens,
            max_tokens=max(1024, 4 * model.max_new_tokens),
            threads=model.threads or os.cpu_count() or 1,
        )

    def _dataset_path(self, carried: Carried) -> Path:
        """Return the dataset's folder. The instance may have been restored elsewhere since the path was written."""
        return self._settings.artifacts_dir / "datasets" / Path(carried["dataset"]).name

    def _evaluate(self, carried: Carried) -> Carried:
        """Answer the held-out questions with champion and challenger, in a child process."""
        from tuning.evaluation.answers import EvaluateJob, Side

        champion, work = carried["champion"], self.folder / "work"
        job, progress = work / "evaluate.json", work / "progress-evaluate.jsonl"
        EvaluateJob(
            model=str(self._registry.base_path()),
            sides=(
                Side("champion", champion or BASE, str(self._registry.path(champion)) if champion else None),
                Side("challenger", f"challenger-{self._round_id}", str(self.folder / "challenger")),
            ),
            questions=str(self._dataset_path(carried) / "held_out.jsonl"),
            out=str(self.folder),
            cache=str(self._settings.artifacts_dir / "answers"),
            progress=str(progress),
            max_new_tokens=self._settings.model.max_new_tokens,
            dtype=self._settings.model.dtype,
            threads=self._settings.model.threads,
            refusal_chance=self._department().answers.refusal_chance(),
        ).write(job)
        self._child("tuning.evaluation.answers", job, progress)
        return {}

    def _gate(self, _: Carried) -> Carried:
        """Compare the answers and reach a verdict."""
        from tuning.evaluation.privacy import scored_answers

        department = self._department()
        sides = scored_answers(
            self.folder, ("champion", "challenger"), plugins=self._services.plugins, department=department.name
        )
        decision = decide(
            [row["scores"] for row in sides["champion"]],
            [row["scores"] for row in sides["challenger"]],
            [row["cluster"] for row in sides["champion"]],
            minimum=department.tuning.min_questions,
            looks=self._rounds.looks(self._round_id),
            seed=department.tuning.seed,
            guards=GUARDS,
        )
        metrics = decision.metrics_json()
        self._rounds.update(self._round_id, metrics=metrics)
        seen = {"n": decision.n, "looks": decision.looks, "confidence": decision.confidence}
        return {"verdict": decision.verdict, "reason": decision.reason, "metrics": metrics, **seen}

    def _publish(self, carried: Carried) -> Carried:
        """Publish the challenger, and promote it if it is better, or not worse than a stale champion.

        With ``tuning.approval = "operator"`` it waits for an operator instead.
        """
        row, verdict = self._row(), carried["verdict"]
        wins = verdict == "better" or (verdict == "not_worse" and self._registry.stale(carried["champion"]))
        state = "challenger" if wins else "refused"
        try:
            version = self._registry.publish(
                self.folder / "challenger",
                row.department,
                round_id=self._round_id,
                dataset=row.dataset,
                state=state,
                transaction=self._rounds.holding(self._round_id),
            )
        except ArtifactError as error:
            return {"verdict": "refused", "reason": f"{STAYS} {error.text}", "adapter": None}
        waits = wins and self._department().tuning.approval == "operator"
        self._rounds.update(self._round_id, adapter=version, approval="waiting" if waits else None)
        if waits:
            reason = carried["reason"].replace(PROMOTED, "The challenger is better. An operator decides.", 1)
            return {"adapter": version, "approval": "waiting", "reason": reason}
        return {"adapter": version, **(self._promote(version, carried) if wins else {})}

    def _promote(self, version: str, carried: Carried) -> Carried:
        """Promote a version, unless another champion answers than the one that it was compared with."""
        if self._registry.was_champion(version):
            return {}  # before this worker took the round up; an operator may have rolled it back since
        department = self._row().department
        over = self._registry.champion(department)
        answering, compared = self._services.answering(department), carried["champion"]
        if answering != compared:
            return self._outdated(version, f"It was compared with {compared or BASE}; now {answering or BASE} answers.")
        self._registry.check(department, version)
        actor, reason = f"round {self._round_id}", carried["reason"]
        try:
            with self._rounds.holding(self._round_id) as session:
                self._registry.promote_within(session, department, version, over=over, actor=actor, reason=reason)
        except ChampionChangedError as error:
            return self._outdated(version, error.text)
        self._registry.forget()
        return {}

    def _outdated(self, version: str, why: str) -> Carried:
        self._registry.refuse(version)
        return {"verdict": "refused", "reason": f"{STAYS} {why}"}

    def _report(self, carried: Carried) -> Carried:
        from tuning.evaluation.report import write_report

        write_atomically(self.folder / "outcome.json", json.dumps(carried, indent=2, ensure_ascii=False))
        version = carried.get("adapter")
        path = write_report(
            self.folder,
            self._row(),
            self._department(),
            carried,
            curves=self._rounds.metrics(self._round_id),
            base_model=self._settings.model.name,
            adapter=self._registry.path(version) if version else None,
        )
        return {"report": str(path)}

    def _child(self, module: str, job: Path, progress: Path) -> None:
        for kill in range(1, MAX_KILLS + 1):
            try:
                processes.run(module, job, progress, on_progress=self._note, check_in=self._check_in)
            except processes.ChildKilledError as error:
                if kill == MAX_KILLS:
                    raise MenteeError(
                        f"{error.text} It was killed {kill} times in a row.",
                        hint="The machine has probably run out of memory. Lower tuning.batch_size.",
                    ) from error
                with self._rounds.changing(self._round_id) as row:
                    row.interruptions += 1
            else:
                return

    def _note(self, line: Mapping[str, Any]) -> None:
        """Record a line of progress and pass it to plugins."""
        if device := line.get("device"):
            self._rounds.update(self._round_id, device=f"{device}: {line.get('reason', '')}".removesuffix(": ")[:64])
        phase, step = line.get("phase"), line.get("step")
        if phase is None or not isinstance(step, int):
            return
        department = self._row().department
        for name in REPORTED:
            value = line.get(name)
            if isinstance(value, int | float):
                self._rounds.add_metric(self._round_id, f"{phase}.{name}", step, float(value))
                self._services.plugins.on_round_metric(
                    self._round_id, f"{phase}.{name}", step, float(value), department
                )

    def _check_in(self) -> None:
        """Raise if this worker must leave the round."""
        if self._stopping():
            raise StoppedError
        if not self._rounds.held(self._round_id):
            raise NotHeldError(self._round_id)

    def _row(self) -> RoundRow:
        return self._rounds.get(self._round_id)

    def _department(self) -> Department:
        return self._services.departments.get(self._row().department)


def next_stage(results: Mapping[str, Carried]) -> str | None:
    """Return the next stage to run, or ``None`` at the end.

    A refused round skips to the report. A failed round has no report.
    """
    end = merged(results).get("end")
    left = [stage for stage in STAGES if stage not in results]
    if end is not None:
        left = ["report"] if end == "finished" and "report" in left else []
    return left[0] if left else None


def merged(results: Mapping[str, Carried]) -> Carried:
    """Combine the results of the finished stages. Later stages override earlier ones."""
    return {key: value for stage in STAGES for key, value in results.get(stage, {}).items()}
