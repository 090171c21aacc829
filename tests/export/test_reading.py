"""One series for each name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multipool.export import reading
from multipool.export.reading import read
from multipool.stats import PoolStats


@dataclass
class Told:
    """A pool that has these figures."""

    figures: PoolStats

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
    monkeypatch.setattr(reading, "pools", lambda: [Told(stats) for stats in shared])
    [found] = read()
    assert (found.budget, found.share) == (10, 5)


def test_a_pool_that_is_closed_or_dropped_is_told_of_no_more(make_pool):
    make_pool(name="closed").close()
    make_pool(name="open")
    assert "closed" not in {stats.name for stats in read()}
    assert "open" in {stats.name for stats in read()}
