"""Counters and histograms of this process. Labels come from closed sets only: never a person, a text or an id.

:mod:`bot.server.metrics` publishes them at ``/metrics``.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

ACK_SECONDS = Histogram(
    "mentee_ack_seconds",
    "From a message's arrival to its acknowledgement.",
    ["channel"],
    registry=REGISTRY,
    buckets=SECONDS,
)
ANSWERS = Counter(
    "mentee_answers_total", "Recorded answers by department, channel and where their text came from.",
    ["department", "channel", "source"], registry=REGISTRY,
)  # fmt: skip
STAGE_SECONDS = Histogram(
    "mentee_answer_stage_seconds",
    "Seconds an answer spent in each stage.",
    ["stage"],
    registry=REGISTRY,
    buckets=SECONDS,
)
VOTES = Counter("mentee_votes_total", "Votes by department and value.", ["department", "value"], registry=REGISTRY)
VOTE_CAUSES = Counter(
    "mentee_vote_causes_total", "Reasons of thumbs down by department and by what is to be repaired.",
    ["department", "cause"], registry=REGISTRY,
)  # fmt: skip
CORRECTIONS = Counter("mentee_corrections_total", "Corrections by department.", ["department"], registry=REGISTRY)
ROUNDS = Counter(
    "mentee_rounds_total", "Finished rounds by department and verdict.", ["department", "verdict"], registry=REGISTRY
)
ARTIFACT_REFUSALS = Counter(
    "mentee_artifact_refusals_total",
    "Artifacts that did not verify and were not loaded, by kind.",
    ["kind"],
    registry=REGISTRY,
)
PLUGIN_FAILURES = Counter("mentee_plugin_failures_total", "Failed hook calls by plugin.", ["plugin"], registry=REGISTRY)
PLUGIN_PAUSED = Gauge(
    "mentee_plugin_paused",
    "1 while a plugin is paused for a department after failures, else 0.",
    ["plugin", "department"],
    registry=REGISTRY,
)
GUARD_FAILURES = Counter(
    "mentee_guard_failures_total",
    "Failed calls of guards and scrubbers; what they should have checked was refused.",
    ["plugin"],
    registry=REGISTRY,
)
GUARD_REFUSALS = Counter(
    "mentee_guard_refusals_total",
    "Texts that a guard didn't let pass, by plugin and by where the text came from.",
    ["plugin", "source"],
    registry=REGISTRY,
)
JOB_RUNS = Counter(
    "mentee_job_runs_total", "Ended runs of plugins' jobs in this process by outcome.",
    ["plugin", "job", "outcome"], registry=REGISTRY,
)  # fmt: skip
JOB_SECONDS = Histogram(
    "mentee_job_seconds", "Seconds that runs of jobs took.", ["plugin", "job"], registry=REGISTRY, buckets=SECONDS
)
COMPLETIONS = Counter(
    "mentee_plugin_completions_total", "Completions that plugins asked the model for, by outcome.",
    ["plugin", "outcome"], registry=REGISTRY,
)  # fmt: skip
COMPLETION_SECONDS = Histogram(
    "mentee_plugin_completion_seconds", "Seconds that plugins waited for completions.",
    ["plugin"], registry=REGISTRY, buckets=SECONDS,
)  # fmt: skip
