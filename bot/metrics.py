"""The metrics at ``/metrics``. Labels come from closed sets only: never a person, a text or an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select

from bot.escalations import open_counts
from bot.messages import now
from bot.store.models import InboxRow, OutboxRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from bot.app import Mentee

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


class QueueCollector:
    """Reads the queues from the database when the metrics are asked for, so that every replica tells the same."""

    def __init__(self, mentee: Mentee) -> None:
        self._store = mentee.store

    def collect(self) -> Iterator[Metric]:
        """Yield depth and age of the inbox and the outbox, and the open escalations."""
        depth = GaugeMetricFamily("mentee_queue_depth", "Items by queue and state.", labels=["queue", "state"])
        age = GaugeMetricFamily("mentee_queue_oldest_seconds", "Age of the oldest unfinished item.", labels=["queue"])
        waiting = GaugeMetricFamily("mentee_escalations_open", "Questions waiting for a person.", labels=["department"])
        queues = (
            ("inbox", InboxRow, InboxRow.received_at, ("received", "leased", "dead")),
            ("outbox", OutboxRow, OutboxRow.created_at, ("pending", "leased", "dead")),
        )
        with self._store.read() as session:
            for name, table, since, states in queues:
                rows = session.execute(select(table.state, func.count(), func.min(since)).group_by(table.state)).all()
                counts = {state: count for state, count, _ in rows}
                oldest = min((first for state, _, first in rows if state in states[:2]), default=now())
                for state in states:
                    depth.add_metric([name, state], counts.get(state, 0))
                age.add_metric([name], max(0.0, (now() - oldest).total_seconds()))
            for department, count in open_counts(session).items():
                waiting.add_metric([department], count)
        yield depth
        yield age
        yield waiting


def exposition(mentee: Mentee) -> tuple[bytes, str]:
    """Return the metrics of this process and the queues of this instance, and their media type."""
    queues = CollectorRegistry()
    queues.register(QueueCollector(mentee))
    return generate_latest(REGISTRY) + generate_latest(queues), CONTENT_TYPE_LATEST
