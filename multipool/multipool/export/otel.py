"""The pools' figures for OpenTelemetry.

    from multipool.export import otel

    otel.instrument()

Only OpenTelemetry's API is needed here; what becomes of the figures is the business of the SDK
that the application has set up. See docs/metrics.md for what is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from typing import Final
from weakref import WeakKeyDictionary

from multipool import lifecycle, listening
from multipool.export.aside import Aside
from multipool.export.facts import DURATIONS, FIGURES, POOL_NAME, SCHEMA_URL, Figure
from multipool.export.operations import DESCRIPTION, NAME, UNIT, Attributes, Operations
from multipool.export.reading import read
from multipool.listening import What
from multipool.pool import Pool
from multipool.stats import BOUNDS

try:
    from opentelemetry.metrics import (
        CallbackOptions,
        Histogram,
        MeterProvider,
        Observation,
        get_meter,
        get_meter_provider,
    )
except ImportError as error:
    raise ImportError(
        'opentelemetry-api is not installed: pip install "multipool[otel]"'
    ) from error


def instrument(meter_provider: MeterProvider | None = None, *, operations: bool = False) -> None:
    """Tell *meter_provider*, by default the global one, of all pools of this process.

    Of those made later too; a pool that ends is told of no more, but for what its histograms
    have gathered by then, and its totals in those of other pools of its name. Connects and waits
    are recorded from now on, so call this before the first checkout.

    Args:
        meter_provider: an SDK's; None means the global one, whichever that comes to be. It may
            be given by either name, but is one.
        operations: tell how long each statement takes too (``db.client.operation.duration``),
            which each statement pays for.

    Raises `RuntimeError` where that is done already: everything would count twice.
    """
    found = _find(meter_provider)
    if found is None:
        found = _instrumentations[meter_provider] = _Instrumentation(meter_provider)
    elif found.active:
        raise RuntimeError(
            "multipool tells this meter provider of its pools already; uninstrument() it first"
        )
    found.begin(operations=operations)


def uninstrument(meter_provider: MeterProvider | None = None) -> None:
    """Tell *meter_provider* no more, under either name. Harmless where it was not told anything."""
    for found in _all_of(meter_provider):
        if found.active:
            found.end()


def _find(provider: MeterProvider | None) -> _Instrumentation | None:
    """Return what was made of *provider*, rather what is active, under whichever name of it."""
    return max(_all_of(provider), key=lambda one: one.active, default=None)


def _all_of(provider: MeterProvider | None) -> list[_Instrumentation]:
    """Return all that was made of *provider*: two, if that came to be the global one afterwards."""
    wanted = _resolved(provider)
    return [one for known, one in _instrumentations.items() if _resolved(known) is wanted]


def _resolved(provider: MeterProvider | None) -> MeterProvider:
    return get_meter_provider() if provider is None else provider


class _Instrumentation:
    """The instruments made of one provider: the same for good, since none can be unmade."""

    def __init__(self, provider: MeterProvider | None) -> None:
        self.active = False
        self._provider = provider
        self._meter = meter = get_meter("multipool", version("multipool"), provider, SCHEMA_URL)
        kinds = {
            "counter": meter.create_observable_counter,
            "up-down counter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }
        for figure in FIGURES:
            create = kinds[figure.kind]
            create(figure.name, [partial(self._observe, figure)], figure.unit, figure.description)
        self._durations = {
            duration.what: meter.create_histogram(
                duration.name,
                duration.unit,
                duration.description,
                explicit_bucket_boundaries_advisory=BOUNDS,
            )
            for duration in DURATIONS
        }
        #: Made when it is asked for, as it costs each statement something.
        self._operations: Histogram | None = None
        self._with_operations = False
        self._observed: WeakKeyDictionary[Pool, Operations] = WeakKeyDictionary()

    def begin(self, *, operations: bool) -> None:
        """Be active from now on."""
        self._aside = Aside(lambda record, *values: record(*values))
        listening.listen(self._heard)
        self.active = True
        self._with_operations = operations
        if operations:
            if self._operations is None:
                self._operations = self._meter.create_histogram(
                    NAME, UNIT, DESCRIPTION, explicit_bucket_boundaries_advisory=BOUNDS
                )
            lifecycle.meet(self._met)

    def end(self) -> None:
        """Be active no more."""
        self.active = self._with_operations = False
        listening.unlisten(self._heard)
        lifecycle.part(self._met)
        while self._observed:
            pool, operations = self._observed.popitem()
            pool._inner.end_observing(operations)
        self._aside.close()

    def _twin(self) -> _Instrumentation | None:
        """Return who tells the same provider, which came to be the global one afterwards.

        Then this one, which was made for that, leaves it to the other. None: there is nobody.
        """
        if self._provider is not None or len(_instrumentations) < 2:
            return None
        other = _instrumentations.get(get_meter_provider())
        return other if other is not None and other.active else None

    def _observe(self, figure: Figure, options: CallbackOptions) -> Iterator[Observation]:
        # The SDK asks the first of two alone, whichever is active.
        if self.active or any(one.active for one in _all_of(self._provider)):
            for stats in read():
                for attributes, value in figure.values(stats):
                    yield Observation(value, attributes)

    def _heard(self, pool: str, what: What, seconds: float) -> None:
        if self._twin() is None:
            self._aside(self._durations[what].record, seconds, {POOL_NAME: pool})

    def _met(self, pool: Pool) -> None:
        """Observe what is executed on *pool*."""
        operations = Operations(pool, self._executed)
        # One step, since two threads may come by here with one pool.
        if self._observed.setdefault(pool, operations) is operations:
            pool._inner.begin_observing(operations)

    def _executed(self, seconds: float, attributes: Attributes) -> None:
        if not self._with_operations or self._operations is None:
            return
        twin = self._twin()
        if twin is None or not twin._with_operations:
            self._aside(self._operations.record, seconds, attributes)


#: By the provider that they are told to; None: the global one, whichever that comes to be.
_instrumentations: Final[dict[MeterProvider | None, _Instrumentation]] = {}
