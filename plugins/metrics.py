"""Counts answers, votes, corrections and rounds for ``/metrics``. The smallest built-in plugin: four observers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.feedback.reasons import CAUSES
from bot.hooks.specs import hookimpl
from bot.observability import metrics

if TYPE_CHECKING:
    from bot.domain.answers import Answer
    from bot.domain.feedback import Vote
    from bot.domain.questions import Question
    from bot.domain.training import RoundFinished


@hookimpl
def on_answer_recorded(question: Question, answer: Answer, department: str) -> None:
    """Count the answer and the seconds of its stages."""
    metrics.ANSWERS.labels(department, question.channel, answer.provenance.source).inc()
    for stage, seconds in answer.provenance.timings.items():
        metrics.STAGE_SECONDS.labels(stage).observe(seconds)


@hookimpl
def on_vote_recorded(vote: Vote, department: str) -> None:
    """Count the vote, or its withdrawal, and the likely cause given by its reason."""
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
