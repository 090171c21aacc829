"""What Prometheus scrapes."""

from __future__ import annotations

import pytest
from export.using import PLAIN, exposed, use

from multipool.export.facts import DURATIONS, POOL_NAME, STATE
from multipool.stats import BOUNDS

LABEL = "db_client_connection_pool_name"


def samples(registry):
    """Return what is scraped, as ``{(name, labels): value}``."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def value(registry, name, **labels):
    return registry.get_sample_value(name, {LABEL: "shop", **labels})


def test_figures_are_gauges_and_counters_and_equal_the_stats(registry, make_pool):
    pool = make_pool(max_size=3)
    lent = [pool.getconn() for _ in range(2)]
    pool.putconn(lent.pop())
    stats = pool.stats()
    for fact in PLAIN:
        for state, field in fact.fields.items():
            labels = {STATE.replace(".", "_"): state} if state else {}
            assert value(registry, exposed(fact), **labels) == getattr(stats, field)
    pool.putconn(lent.pop())


def test_histograms_count_up_to_each_bound(registry, make_pool):
    pool = make_pool(max_size=1, use_time=True)
    use(pool)
    stats = pool.stats()
    for fact in DURATIONS:
        name = fact.name.replace(".", "_") + "_seconds"
        counts = fact.counts(stats)
        assert value(registry, f"{name}_count") == sum(counts)
        assert value(registry, f"{name}_sum") == fact.sum(stats)
        for index, bound in enumerate(BOUNDS):
            assert value(registry, f"{name}_bucket", le=str(bound)) == sum(counts[: index + 1])


def test_use_time_is_told_only_where_it_is_measured(registry, make_pool):
    make_pool(name="plain")
    assert not [name for name, _ in samples(registry) if "use_time" in name]


def test_it_is_exactly_what_opentelemetrys_own_exporter_makes_of_the_same_pool(
    registry, sdk, make_pool
):
    """With its scope labels off, and without the ``target_info`` of its resource."""
    exporter = pytest.importorskip(
        "opentelemetry.exporter.prometheus", reason="pip install opentelemetry-exporter-prometheus"
    )
    from prometheus_client import CollectorRegistry, generate_latest

    from multipool.export import otel

    theirs = CollectorRegistry()
    reader = exporter.PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=theirs
    )
    provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
    otel.instrument(provider)
    try:
        pool = make_pool(max_size=1, use_time=True)
        use(pool)
        assert sorted(generate_latest(registry).splitlines()) == sorted(
            generate_latest(theirs).splitlines()
        )
    finally:
        otel.uninstrument(provider)
        provider.shutdown()


def test_two_collectors_in_one_registry_are_refused(registry):
    from multipool.export.prometheus import PoolCollector

    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(PoolCollector())


def test_pools_of_one_name_make_one_series(registry, make_pool):
    """A scrape that has two is refused as a whole."""
    make_pool(max_size=3)
    make_pool(max_size=4)
    found = [
        sample
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "db_client_connection_max"
    ]
    assert [(sample.labels, sample.value) for sample in found] == [({LABEL: "shop"}, 7)]


def test_a_pool_that_ends_vanishes(registry, make_pool):
    pool = make_pool()
    assert samples(registry)
    pool.close()
    assert not samples(registry)


def test_labels_are_the_attributes_and_nothing_else(registry, make_pool):
    use(make_pool(max_size=1, use_time=True))
    labels = {label for _, labels in samples(registry) for label, _ in labels}
    assert labels == {POOL_NAME.replace(".", "_"), STATE.replace(".", "_"), "le"}
