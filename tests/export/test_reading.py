"""One series for each name."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace

from support import until

from multipool import Pool, lifecycle
from multipool.export import ended, reading
from multipool.export.facts import DURATIONS, FIGURES
from multipool.export.reading import read
from multipool.stats import PoolStats
from multipool.testing.fake import FakeDriver

TOTALS = [field for fact in FIGURES if fact.total for field in fact.fields.values()]
TOTALS += [f"{fact.what}_time" for fact in DURATIONS] + [f"{fact.what}_times" for fact in DURATIONS]


@dataclass
class Told:
    """A pool that has these figures."""

    figures: PoolStats
    closed = False
    _inner = SimpleNamespace(home=None)

    @property
    def name(self):
        return self.figures.name

    def stats(self):
        return self.figures


def of(name):
    return next(stats for stats in read() if stats.name == name)


def test_the_figures_of_pools_that_share_a_name_are_added(make_pool):
    one, other = make_pool(max_size=3, use_time=True), make_pool(max_size=4)
    for pool in (one, one, other):
        with pool.connection():
            pass
    found = of("shop")
    assert (found.max_size, found.checkouts, found.opened, found.idle) == (7, 3, 2, 2)
    assert sum(found.connect_times) == 2
    assert found.use_times == one.stats().use_times  # the other measures none


def test_unlimited_and_three_are_unlimited(make_pool):
    make_pool(max_size="unlimited")
    make_pool(max_size=3)
    assert of("shop").max_size is None


def test_a_budget_that_pools_of_one_name_share_is_one(make_pool, monkeypatch):
    shared = [replace(make_pool().stats(), budget=10, share=share) for share in (2, 3)]
    monkeypatch.setattr(reading, "registered", lambda: [Told(stats) for stats in shared])
    [found] = read()
    assert (found.budget, found.share) == (10, 5)


def test_a_pool_that_is_closed_or_dropped_is_told_of_no_more(make_pool):
    make_pool(name="closed").close()
    make_pool(name="open")
    assert "closed" not in {stats.name for stats in read()}
    assert "open" in {stats.name for stats in read()}


def borrow(pool, times):
    for _ in range(times):
        with pool.connection():
            pass


def totals(name="shop"):
    """Return what only grows, summed where it is a tuple."""
    found = of(name)
    values = {field: getattr(found, field) for field in TOTALS}
    return {k: sum(v) if isinstance(v, tuple) else v for k, v in values.items()}


def test_no_total_falls_when_a_pool_is_closed_or_dropped_and_made_anew(fake, make_pool):
    first, last = make_pool(use_time=True), Pool("", driver=FakeDriver(fake), name="shop")
    borrow(first, 10)
    borrow(last, 1000)
    seen = [totals()]
    first.close(timeout=0)
    seen.append(totals())
    del last
    gc.collect()
    assert "shop" not in {stats.name for stats in read()}
    borrow(make_pool(use_time=True), 5)
    seen.append(totals())
    assert [one["checkouts"] for one in seen] == [1010, 1010, 1015]
    assert [one["connect_times"] for one in seen] == [2, 2, 3]
    assert [one["use_times"] for one in seen] == [10, 10, 15]
    for before, after in pairwise(seen):
        assert [name for name in TOTALS if after[name] < before[name]] == []


def test_what_comes_back_to_a_closed_pool_is_counted_yet(make_pool):
    pool = make_pool()
    make_pool()
    conn = pool.getconn()
    pool.close(timeout=0)
    assert of("shop").closed == 0
    pool.putconn(conn)
    until(lambda: of("shop").closed == 1)


def test_only_totals_outlive_a_pool(make_pool):
    first = make_pool(max_size=3, min_size=1)
    borrow(first, 1)
    first.close(timeout=0)
    borrow(make_pool(max_size=4), 2)
    found = of("shop")
    assert (found.max_size, found.min_size, found.size, found.idle) == (4, 0, 1, 1)
    assert found.checkouts == 3


def test_a_pool_that_is_just_about_to_be_dropped_is_counted_once(make_pool):
    pool = make_pool()
    borrow(pool, 2)
    lifecycle.dropped(pool)  # as its finaliser says, while another thread asks
    assert of("shop").checkouts == 2


def test_a_program_that_makes_up_names_has_so_many_kept(fake, make_pool, monkeypatch):
    monkeypatch.setattr(ended, "MOST", 2)
    for name in ("first", "second", "third"):
        borrow(Pool("", driver=FakeDriver(fake), name=name), 1)
    gc.collect()
    read()
    for name in ("first", "third"):
        borrow(make_pool(name=name), 1)
    assert (of("first").checkouts, of("third").checkouts) == (1, 2)
