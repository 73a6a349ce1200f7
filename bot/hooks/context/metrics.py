"""Metrics of plugins, published at ``/metrics`` as ``mentee_plugin_<plugin>_<name>``."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from bot.config.sections import section_name
from bot.domain.errors import SettingsError
from bot.observability.metrics import REGISTRY, SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SERIES = 100
"""Combinations of label values that one metric keeps apart."""

OTHER = "other"
"""The value of every label beyond :data:`MAX_SERIES`."""

MAX_METRICS = 50
"""Metrics of one plugin."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_declared: dict[str, PluginMetric] = {}
_lock = threading.Lock()


class PluginMetric:
    """What the kinds of metrics share: labels, of which a bounded number is kept apart."""

    def __init__(self, metric: Any, labels: tuple[str, ...]) -> None:
        self._metric = metric
        self.labels = labels
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def _series(self, given: dict[str, str]) -> Any:
        if given.keys() != set(self.labels):
            raise SettingsError(
                f"This metric has the labels {', '.join(self.labels) or '(none)'}; found {', '.join(given) or 'none'}.",
                hint="Give a value for each label, by keyword.",
            )
        if not self.labels:
            return self._metric
        values = tuple(str(given[label]) for label in self.labels)
        with self._lock:
            if values not in self._seen and len(self._seen) >= MAX_SERIES:
                values = (OTHER,) * len(values)
            else:
                self._seen.add(values)
        return self._metric.labels(*values)


class PluginCounter(PluginMetric):
    """A number that only grows, such as of tickets looked up."""

    def inc(self, by: float = 1, **labels: str) -> None:
        """Add to it."""
        self._series(labels).inc(by)


class PluginGauge(PluginMetric):
    """A number that goes up and down, such as of open tickets."""

    def set(self, value: float, **labels: str) -> None:
        """Set it."""
        self._series(labels).set(value)


class PluginHistogram(PluginMetric):
    """A distribution, such as of seconds that requests took."""

    def observe(self, value: float, **labels: str) -> None:
        """Add a value."""
        self._series(labels).observe(value)


M = TypeVar("M", bound=PluginMetric)


class PluginMetrics:
    """Declares the metrics of one plugin. Declaring one again returns the same metric.

    A metric keeps up to 100 combinations of label values apart and counts the rest as ``other``. Never use a person, a
    text or an id as a label.
    """

    def __init__(self, plugin: str) -> None:
        self._prefix = f"mentee_plugin_{section_name(plugin)}_"

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> PluginCounter:
        """Return a counter; ``_total`` is added to its name.

        :raises SettingsError: the name can't be used, or is that of another kind of metric; so for the others.
        """
        return self._declare(PluginCounter, Counter, name, description, labels)

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> PluginGauge:
        """Return a gauge."""
        return self._declare(PluginGauge, Gauge, name, description, labels)

    def histogram(
        self, name: str, description: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS
    ) -> PluginHistogram:
        """Return a histogram.

        :param buckets: upper bounds; by default of seconds, from 5 ms to 2 minutes.
        """
        return self._declare(PluginHistogram, Histogram, name, description, labels, buckets=buckets)

    def _declare(
        self, kind: type[M], made_by: Any, name: str, description: str, labels: Sequence[str], **more: Any
    ) -> M:
        full = self._prefix + name
        with _lock:
            known = _declared.get(full)
            if known is None:
                self._check(name)
                try:
                    metric = made_by(full, description, tuple(labels), registry=REGISTRY, **more)
                except ValueError as error:
                    raise SettingsError(f"The metric {full!r} can't be made: {error}.", hint="Rename it.") from None
                known = _declared[full] = kind(metric, tuple(labels))
        if not isinstance(known, kind) or known.labels != tuple(labels):
            raise SettingsError(
                f"The metric {full!r} was declared before, as another kind or with other labels.",
                hint="Declare it the same way everywhere.",
            )
        return known

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{name!r} can't be the name of a metric.", hint="Use lower-case letters, digits and underscores."
            )
        if sum(each.startswith(self._prefix) for each in _declared) >= MAX_METRICS:
            raise SettingsError(
                f"This plugin has {MAX_METRICS} metrics, which is the limit.", hint="Use labels instead of names."
            )
