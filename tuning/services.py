"""Tuning's services, built from an instance's parts.

Each is imported when it is asked for: the command line starts faster without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.departments import Department
    from bot.hooks.instance import Instance
    from tuning.data.build import DatasetBuilder
    from tuning.data.held import HeldVotes
    from tuning.data.prompts import ServedPrompts
    from tuning.rounds.approvals import Approvals
    from tuning.rounds.erasure import TrainingEraser
    from tuning.rounds.learned import Learned
    from tuning.rounds.registry import Registry
    from tuning.rounds.retention import RoundRetention
    from tuning.rounds.schedule import Schedule
    from tuning.rounds.stages import Stages
    from tuning.rounds.store import RoundStore
    from tuning.rounds.worker import RoundWorker


def rounds(instance: Instance) -> RoundStore:
    """Return the rounds on record."""
    from tuning.rounds.store import RoundStore

    seconds = instance.settings.limits.lease_seconds
    return RoundStore(instance.store, instance.departments, instance.worker, lease_seconds=seconds)


def registry(instance: Instance) -> Registry:
    """Return the registry of adapters."""
    from tuning.rounds.registry import Registry

    return Registry(instance.store, instance.settings, instance.active_adapters, instance.feedback)


def eraser(instance: Instance) -> TrainingEraser:
    """Return what erases from datasets, rounds and adapters."""
    from tuning.rounds.erasure import TrainingEraser

    def stale_days(department: str) -> int:
        policies = {each.name: each.tuning for each in instance.departments.all()}
        return policies.get(department, instance.settings.tuning).stale_days

    return TrainingEraser(instance.store, rounds(instance), instance.settings.artifacts_dir, stale_days)


def round_retention(instance: Instance) -> RoundRetention:
    """Return what deletes old files of rounds."""
    from tuning.rounds.retention import RoundRetention

    return RoundRetention(instance.store, instance.settings.artifacts_dir, instance.settings.retention)


def prompts(instance: Instance, department: Department) -> ServedPrompts:
    """Return what builds a department's prompts."""
    from tuning.data.prompts import ServedPrompts

    return ServedPrompts(department, instance.retriever, instance.plugins)


def datasets(instance: Instance) -> DatasetBuilder:
    """Return the builder of datasets."""
    from tuning.data.build import DatasetBuilder

    return DatasetBuilder(
        instance.store,
        instance.plugins,
        feedback=instance.feedback,
        history=instance.history,
        rights=instance.rights,
        prompts=lambda department: prompts(instance, department),
    )


def held_votes(instance: Instance) -> HeldVotes:
    """Return what screens votes and records decisions on those that wait."""
    from tuning.data.held import HeldVotes

    return HeldVotes(instance.store, instance.feedback)


def answering(instance: Instance, department: str) -> str | None:
    """Return the adapter that answers for a department now, ``None`` for the base model."""
    instance.active_adapters.forget()  # another process may have changed it within the last second
    reading = instance.retriever.has_documents(department)
    champion = instance.active_adapters.get(department, reading=reading)
    return champion.version if champion else None


def approvals(instance: Instance) -> Approvals:
    """Return what approves and rejects the adapters of rounds."""
    from tuning.rounds.approvals import Approvals

    return Approvals(rounds(instance), registry(instance), lambda department: answering(instance, department))


def stages(instance: Instance, round_id: str, stopping: Callable[[], bool] = lambda: False) -> Stages:
    """Return the stages of a round."""
    from tuning.rounds.stages import Services, Stages

    services = Services(
        settings=instance.settings,
        departments=instance.departments,
        plugins=instance.plugins,
        rounds=rounds(instance),
        registry=registry(instance),
        datasets=datasets(instance),
        answering=lambda department: answering(instance, department),
    )
    return Stages(services, round_id, stopping)


def schedule(instance: Instance) -> Schedule:
    """Return the service that starts rounds when they are due."""
    from tuning.rounds.schedule import Schedule

    return Schedule(rounds(instance), instance.departments, instance.feedback.count_new_votes)


def learned(instance: Instance) -> Learned:
    """Return what tells people that a round learned from their feedback."""
    from tuning.rounds.learned import Learned

    return Learned(instance.store, instance.history, instance.feedback, instance.notifications)


def round_worker(instance: Instance) -> RoundWorker:
    """Return a worker of rounds, not started yet."""
    from tuning.rounds.worker import RoundWorker

    return RoundWorker(
        rounds(instance),
        lambda round_id, stopping: stages(instance, round_id, stopping),
        drain_seconds=instance.settings.limits.drain_seconds,
    )
