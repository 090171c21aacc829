"""What OpenTelemetry's SDK is told, read by its in-memory reader."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest
from export.using import PLAIN, use

from multipool import Pool
from multipool.export.facts import DURATIONS, POOL_NAME, STATE
from multipool.stats import BOUNDS
from multipool.testing.fake import FakeDriver

SHOP = {POOL_NAME: "shop"}


def test_every_metric_has_the_conventions_name_and_unit(told, make_pool):
    use(make_pool(max_size=1, use_time=True))
    units = {name: metric.unit for name, metric in told().items()}
    assert units == {fact.name: fact.unit for fact in (*PLAIN, *DURATIONS)}


def test_totals_are_monotonic_sums_and_what_there_is_now_are_sums_that_may_fall(told, make_pool):
    make_pool()
    metrics = told()
    assert {fact.name: metrics[fact.name].data.is_monotonic for fact in PLAIN} == {
        fact.name: fact.total for fact in PLAIN
    }


def test_what_is_told_is_what_the_pools_stats_say(told, make_pool):
    pool = make_pool(max_size=2, min_size=1, timeout=0)
    pool.wait()
    lent = pool.getconn()
    stats, metrics = pool.stats().as_dict(), told()
    for fact in PLAIN:
        values = {
            point.attributes.get(STATE): point.value
            for point in metrics[fact.name].data.data_points
            if point.attributes[POOL_NAME] == "shop"
        }
        expected = stats[fact.name]
        assert values == (expected if isinstance(expected, dict) else {None: expected})
    pool.putconn(lent)


def test_histograms_have_every_value_in_the_buckets_of_the_stats(told, make_pool):
    pool = make_pool(max_size=1, use_time=True)
    use(pool)
    stats, metrics = pool.stats(), told()
    for fact in DURATIONS:
        [point] = metrics[fact.name].data.data_points
        assert dict(point.attributes) == SHOP
        assert point.explicit_bounds == BOUNDS
        assert point.bucket_counts == fact.counts(stats)
        assert point.sum == pytest.approx(fact.sum(stats))


def test_the_bound_of_an_unlimited_pool_is_not_told(told, make_pool):
    make_pool(max_size="unlimited")
    assert "db.client.connection.max" not in told()


def test_pools_made_later_are_seen_and_those_that_end_vanish(told, make_pool):
    def names():
        metric = told().get("db.client.connection.count")
        return (
            {point.attributes[POOL_NAME] for point in metric.data.data_points} if metric else set()
        )

    assert names() == set()
    pool = make_pool(name="late")
    make_pool(name="stays")
    assert names() == {"late", "stays"}
    pool.close()
    assert names() == {"stays"}


def test_nothing_of_it_keeps_a_pool_alive(told, fake):
    pool = Pool({}, driver=FakeDriver(fake), name="dropped", use_time=True)
    pool.putconn(pool.getconn())
    told()
    seen = weakref.ref(pool)
    del pool
    gc.collect()
    assert seen() is None
    assert "db.client.connection.count" not in told()


def test_a_provider_is_instrumented_once(told):
    from multipool.export import otel

    with pytest.raises(RuntimeError, match=r"uninstrument\(\) it first"):
        otel.instrument(told.provider)


GLOBAL = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from multipool import Pool
from multipool.export import otel
from multipool.testing.fake import FakeDriver

reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)
{before}
metrics.set_meter_provider(provider)
{after}
try:
    otel.instrument({second})
except RuntimeError as error:
    print(str(error).partition(";")[2].strip())
with Pool("", driver=FakeDriver(), name="shop") as pool, pool.connection():
    [metric] = [
        metric
        for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "db.client.connection.create_time"
    ]
    print([point.count for point in metric.data.data_points])
    otel.uninstrument({second})
    otel.instrument({first})
    print("once more")
"""


@pytest.mark.parametrize(("first", "second"), [("", "provider"), ("provider", "")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_global_provider_is_instrumented_once_by_whichever_name(sdk, first, second, when):
    lines = {"before": "", "after": "", when: f"otel.instrument({first})"}
    program = GLOBAL.format(first=first, second=second, **lines)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.splitlines() == ["uninstrument() it first", "[1]", "once more"]


def test_uninstrumented_it_is_told_nothing_and_instrumented_again_everything(told, make_pool):
    from multipool.export import otel

    otel.uninstrument(told.provider)
    otel.uninstrument(told.provider)
    pool = make_pool()
    pool.putconn(pool.getconn())
    assert told() == {}
    otel.instrument(told.provider)
    assert told()["multipool.connection.opened"].data.data_points[0].value == 1


def test_the_scope_is_multipool_of_this_version_under_the_conventions_schema(sdk):
    from multipool import __version__
    from multipool.export import otel
    from multipool.export.facts import SCHEMA_URL

    reader = sdk.export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
    otel.instrument(provider)
    try:
        with Pool({}, driver=FakeDriver(), name="shop"):
            [found] = reader.get_metrics_data().resource_metrics[0].scope_metrics
        assert (found.scope.name, found.scope.version) == ("multipool", __version__)
        assert found.scope.schema_url == SCHEMA_URL
    finally:
        otel.uninstrument(provider)
        provider.shutdown()


def test_no_password_is_told(told, make_pool):
    secret = "hunter2"
    pool = Pool({"password": secret, "user": "app"}, driver=FakeDriver(), name="secretive")
    with pool.connection():
        pass
    assert "secretive" in str(told())
    assert secret not in str(told())
    pool.close()


BOTH_NAMES = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from multipool import Pool
from multipool.export import otel
from multipool.testing.fake import FakeDriver

reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)
for name in ({first}, {second}):
    otel.instrument(name)
metrics.set_meter_provider(provider)

def told(name):
    data = reader.get_metrics_data()
    found = data.resource_metrics[0].scope_metrics[0].metrics if data else ()
    return [point for metric in found if metric.name == name for point in metric.data.data_points]

with Pool("", driver=FakeDriver(), name="shop") as pool, pool.connection():
    print([point.count for point in told("db.client.connection.create_time")])
    print([point.value for point in told("multipool.connection.opened")])
    otel.uninstrument({second})
    with pool.connection():
        pass
    print([point.count for point in told("db.client.connection.create_time")])
    print(told("multipool.connection.opened"))
    otel.instrument({first})
    print([point.value for point in told("multipool.connection.opened")])
"""


@pytest.mark.parametrize(("first", "second"), [("None", "provider"), ("provider", "None")])
def test_one_that_was_instrumented_under_both_names_before_it_was_global_counts_once(
    sdk, first, second
):
    program = BOTH_NAMES.format(first=first, second=second)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.splitlines() == ["[1]", "[1]", "[1]", "[]", "[2]"]
