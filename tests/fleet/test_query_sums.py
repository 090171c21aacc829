"""The queries of all processes of an application, added up."""

from __future__ import annotations

import pytest

from multipool.fleet.detail import _query
from multipool.fleet.rows import pools_of, queries_of
from multipool.watch.queries.histogram import BUCKETS, Histogram, bucket
from multipool.watch.queries.report import Query


def row(*durations, app="shop", text="select ?"):
    """Return the row of a process that has executed *text* once for each of *durations*."""
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[bucket(seconds)] += 1
    query = Query(text, "views.py:1", len(durations), 0, sum(durations), 0, Histogram.of(counts))
    return sent(_query(query), app=app)


def sent(*queries, app="shop"):
    """Return the row of a process that has sent *queries*."""
    return {"app": app, "pools": {}, "detail": {"pools": {"default": {"queries": list(queries)}}}}


def test_the_percentiles_are_those_of_all_executions_together():
    # 990 fast ones in one process, 10 slow ones in another.
    [query] = queries_of([row(*[0.001] * 990), row(*[2.0] * 10)])
    assert query.calls == 1000
    assert query.p50 == query.p95 == pytest.approx(0.001, rel=0.05)
    assert query.p99 == pytest.approx(0.001, rel=0.05)
    [query] = queries_of([row(*[0.001] * 900), row(*[2.0] * 100)])
    assert query.p50 == pytest.approx(0.001, rel=0.05)
    assert query.p95 == pytest.approx(2.0, rel=0.05)


def test_those_of_one_process_are_what_it_counted_itself():
    durations = [1e-8, 0.0003, 0.04, 0.05, 7.0, 1e9]
    [query] = queries_of([row(*durations)])
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[bucket(seconds)] += 1
    itself = Histogram.of(counts)
    for part, told in ((0.5, query.p50), (0.95, query.p95), (0.99, query.p99)):
        assert told == itself.quantile(part)


def test_a_statements_share_is_that_of_all_though_only_the_most_expensive_are_told_apart():
    shop = {**row(1.0), "pools": {"default": {"statements": 4.0}, "jobs": {"statements": 9.0}}}
    [query] = queries_of([shop, row(1.0)])  # those of "jobs" are not told of at all
    assert query.share == 2.0 / 5.0


def test_a_pool_tells_what_all_of_its_statements_have_taken_unless_it_counts_none():
    counted = {"default": 4.5, "jobs": None, "odd": [], "less": -3}
    pools = {"old": {}, **{name: {"statements": one} for name, one in counted.items()}}
    told = {**sent(), "id": "a", "host": "web-1", "pools": pools, "counters": {}}
    assert {pool.name: pool.statements for pool in pools_of(told)} == {
        "old": None,
        "default": 4.5,
        "jobs": None,
        "odd": 0.0,
        "less": 0.0,
    }


def test_applications_are_kept_apart():
    shop, mail = queries_of([row(1.0, 1.0), row(1.0, app="mail")])
    assert (shop.app, shop.calls, shop.share) == ("shop", 2, 1.0)
    assert (mail.app, mail.calls, mail.share) == ("mail", 1, 1.0)


@pytest.mark.parametrize(
    "histogram",
    [
        None,
        [],
        {},
        "abc",
        [-1, 1],
        [10**6, 1],
        ["x", 1],
        [3, "x"],
        [3, None],
        [3, [1]],
        [3, -5],
        [3, 1e300],
        [True, 1],
    ],
)
def test_a_histogram_that_makes_no_sense_counts_for_nothing(histogram):
    bad = {"statement": "select ?", "site": "views.py:1", "histogram": histogram}
    [query] = queries_of([sent(bad), row(0.5)])
    assert query.p95 == pytest.approx(0.5, rel=0.05)
