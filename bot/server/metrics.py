"""What ``/metrics`` publishes: this process's counters, and the queues that all processes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from bot.domain.identifiers import now
from bot.observability.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.feedback.escalations import Escalations


class QueueCollector:
    """Reads the queues from the database when the metrics are asked for, so that every replica reports the same."""

    def __init__(self, inbox: Inbox, outbox: Outbox, escalations: Escalations) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._escalations = escalations

    def collect(self) -> Iterator[Metric]:
        """Yield depth and age of the inbox and the outbox, and the open escalations."""
        depth = GaugeMetricFamily("mentee_queue_depth", "Items by queue and state.", labels=["queue", "state"])
        age = GaugeMetricFamily("mentee_queue_oldest_seconds", "Age of the oldest unfinished item.", labels=["queue"])
        waiting = GaugeMetricFamily("mentee_escalations_open", "Questions waiting for a person.", labels=["department"])
        queues = ("inbox", "received", self._inbox.backlog()), ("outbox", "pending", self._outbox.backlog())
        for name, new, backlog in queues:
            for state, count in ((new, backlog.waiting), ("leased", backlog.leased), ("dead", backlog.dead)):
                depth.add_metric([name, state], count)
            age.add_metric([name], max(0.0, (now() - backlog.oldest).total_seconds()) if backlog.oldest else 0.0)
        for department, count in self._escalations.open_counts().items():
            waiting.add_metric([department], count)
        yield depth
        yield age
        yield waiting


def exposition(queues: QueueCollector) -> tuple[bytes, str]:
    """Return the metrics in Prometheus' format, and their media type."""
    registry = CollectorRegistry()
    registry.register(queues)
    return generate_latest(REGISTRY) + generate_latest(registry), CONTENT_TYPE_LATEST
