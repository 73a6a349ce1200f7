"""Counts answers, votes, corrections and rounds for ``/metrics``: the smallest built-in plugin, four observers long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import metrics
from bot.hookspecs import hookimpl
from bot.reasons import CAUSES

if TYPE_CHECKING:
    from bot.messages import Answer, Question, RoundFinished, Vote


@hookimpl
def on_answer_recorded(question: Question, answer: Answer, department: str) -> None:
    """Count the answer and the seconds of its stages."""
    metrics.ANSWERS.labels(department, question.channel, answer.provenance.source).inc()
    for stage, seconds in answer.provenance.timings.items():
        metrics.STAGE_SECONDS.labels(stage).observe(seconds)


@hookimpl
def on_vote_recorded(vote: Vote, department: str) -> None:
    """Count the vote, or its withdrawal, and the cause that its reason points to."""
    metrics.VOTES.labels(department, vote.value or "withdrawn").inc()
    if vote.reason in CAUSES:
        metrics.VOTE_CAUSES.labels(department, CAUSES[vote.reason]).inc()


@hookimpl
def on_correction_recorded(department: str) -> None:
    """Count the correction."""
    metrics.CORRECTIONS.labels(department).inc()


@hookimpl
def on_round_finished(event: RoundFinished, department: str) -> None:
    """Count the round under its verdict."""
    metrics.ROUNDS.labels(department, event.verdict).inc()
