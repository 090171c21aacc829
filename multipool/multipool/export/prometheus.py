"""The pools' figures for Prometheus, by its own client library.

    from prometheus_client import REGISTRY
    from multipool.export.prometheus import PoolCollector

    REGISTRY.register(PoolCollector())

Names, types and labels are those to which OpenTelemetry's specification maps its metrics
(https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/), so that
a dashboard need not know which way they came. See docs/metrics.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from multipool.export.facts import DURATIONS, FIGURES, POOL_NAME, Duration, Figure
from multipool.export.reading import read
from multipool.stats import BOUNDS, PoolStats

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        'prometheus_client is not installed: pip install "multipool[prometheus]"'
    ) from error

_LE: Final = [*(str(bound) for bound in BOUNDS), "+Inf"]


class PoolCollector(Collector):
    """Tells Prometheus of all live pools of this process, whenever they were made.

    Reads them when it is asked, and a forked child counts anew, so it may be registered before
    the fork. What pools had counted that have ended stays in the totals of others of their name.
    """

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that any pool has."""
        found = read()
        for family in (
            *(_figure(figure, found) for figure in FIGURES),
            *(_duration(duration, found) for duration in DURATIONS),
        ):
            if family.samples:
                yield family

    def describe(self) -> list[Metric]:
        """Return the metrics without values, by which a registry finds out double names."""
        return [
            *(_figure(figure, []) for figure in FIGURES),
            *(_duration(duration, []) for duration in DURATIONS),
        ]


def _figure(figure: Figure, found: list[PoolStats]) -> Metric:
    # An up-down counter is a gauge here, and "{connection}" no unit; a counter's family adds
    # "_total" by itself, as every family adds its unit.
    kind = CounterMetricFamily if figure.total else GaugeMetricFamily
    family = kind(
        _mapped(figure.name),
        figure.description,
        labels=list(map(_mapped, figure.attributes)),
        unit="seconds" if figure.unit == "s" else "",
    )
    for stats in found:
        for attributes, value in figure.values(stats):
            family.add_metric(list(attributes.values()), value)
    return family


def _duration(duration: Duration, found: list[PoolStats]) -> Metric:
    family = HistogramMetricFamily(
        _mapped(duration.name), duration.description, labels=[_mapped(POOL_NAME)], unit="seconds"
    )
    for stats in found:
        counts = duration.counts(stats)
        if counts:
            buckets = list(zip(_LE, accumulate(counts), strict=True))
            family.add_metric([stats.name], buckets, duration.sum(stats))
    return family


def _mapped(name: str) -> str:
    """Return a metric's or an attribute's name as Prometheus may have it."""
    return re.sub(r"[^a-zA-Z0-9]+", "_", name)
