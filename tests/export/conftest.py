"""Pools on the fake driver; a registry of Prometheus's, and a meter provider of OpenTelemetry's.

Each skips where its library is not installed.
"""

from __future__ import annotations

import pytest
from fake_pools import fake, make_pool

from multipool.export import ended, reading
from multipool.lifecycle import registered
from multipool.watch.demand import Demand

__all__ = ["fake", "make_pool"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Leave out the pools that other tests have left, and what those had counted."""
    before = registered()  # which keeps them as well
    monkeypatch.setattr(
        reading, "registered", lambda: [one for one in registered() if one not in before]
    )
    ended.begin_anew()


@pytest.fixture(autouse=True)
def unseen(monkeypatch):
    """Let upkeep see nothing, so that no figure changes between two that are compared."""
    monkeypatch.setattr(Demand, "look", lambda *_, **__: False)


@pytest.fixture
def registry():
    """A registry with our collector."""
    reason = 'pip install "multipool[prometheus]"'
    client = pytest.importorskip("prometheus_client", reason=reason)
    from multipool.export.prometheus import PoolCollector

    registry = client.CollectorRegistry()
    registry.register(PoolCollector())
    return registry


@pytest.fixture
def sdk():
    """OpenTelemetry's own package for metrics; what multipool needs is its API alone."""
    reason = 'pip install "multipool[otel]" opentelemetry-sdk'
    return pytest.importorskip("opentelemetry.sdk.metrics", reason=reason)


@pytest.fixture
def told(sdk):
    """A function that returns what a provider is told, as ``{name: metric}``."""
    from multipool.export import otel

    reader = sdk.export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
    otel.instrument(provider)

    def read():
        data = reader.get_metrics_data()
        if data is None:
            return {}
        [resource] = data.resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}

    read.provider = provider
    yield read
    otel.uninstrument(provider)
    provider.shutdown()
