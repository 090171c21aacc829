"""What a snapshot tells of a budget that processes share."""

from __future__ import annotations

import pytest
from support import until

from multipool.fleet import read


@pytest.fixture
def pool(make_pool, store):
    """A pool that shares a budget of 12, most of which it may have."""
    return make_pool(store, name="default", max_size=5, budget=12, upkeep="thread")


def test_it_tells_who_has_what_and_who_wants_what(pool, store, ops):
    lent = [pool.getconn() for _ in range(3)]
    until(lambda: read(ops, watch=0).budgets)
    until(lambda: read(ops, watch=0).budgets[0].wanted == 3)
    [budget] = read(ops, watch=0).budgets
    [stake] = budget.stakes
    assert (budget.app, budget.budget, budget.without) == ("shop", 12, 0)
    assert (stake.pool, stake.silent) == ("default", False)
    assert 3 <= stake.cap <= stake.share == budget.shared <= 5
    assert budget.free == 12 - 1 - budget.shared
    for conn in lent:
        pool.putconn(conn)


def test_a_pool_tells_what_it_has_of_it(pool, make_pool, store):
    with pool.connection():
        stats = pool.stats()
        assert (stats.budget, stats.share) == (12, pool._inner.stake.cap)
        assert stats.share >= 1
    alone = make_pool(store)
    assert (alone.stats().budget, alone.stats().share) == (None, None)


def test_a_beat_tells_it_too(pool, ops):
    with pool.connection():
        pass
    until(lambda: read(ops, watch=0).pools, timeout=10)
    [state] = read(ops, watch=0).pools
    assert state.budget == 12
    assert state.share is not None


def test_a_stake_is_joined_with_its_process(pool, ops):
    with pool.connection():
        pass
    until(lambda: read(ops, watch=0).processes, timeout=10)
    snapshot = read(ops, watch=0)
    [process] = snapshot.processes
    assert snapshot.budgets[0].stakes[0].process == process.id
