"""The formulas agree with their tables, and with queues that are played through."""

from __future__ import annotations

import heapq
import random

import pytest

from multipool.advise.queueing import enough, late, waiting, within


@pytest.mark.parametrize(
    ("servers", "load", "share"),
    # Erlang's C as it stands in printed tables.
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.4092), (100, 90.0, 0.2169)],
)
def test_the_share_that_must_wait_is_erlangs(servers, load, share):
    assert waiting(servers, load) == pytest.approx(share, rel=1e-3)


def test_nobody_waits_without_load_and_everybody_with_too_much():
    assert waiting(3, 0) == 0
    assert waiting(3, 3) == waiting(3, 7) == late(3, 7, 0.1, 5) == 1


def test_no_load_needs_no_connection():
    assert enough(0, 0.1, patience=0.1) == 0


@pytest.mark.parametrize("load", [0.05, 0.7, 3.3, 40.0, 2000.0])
@pytest.mark.parametrize("held", [0.002, 0.05, 4.0])
def test_the_answer_is_the_least_that_is_enough(load, held):
    servers = enough(load, held, patience=0.1)
    assert late(servers, load, held, 0.1) <= 0.01
    assert servers == 1 or late(servers - 1, load, held, 0.1) > 0.01


def test_bunches_need_more_and_an_even_load_less():
    needed = [enough(8, 0.05, patience=0.01, burst=burst) for burst in (0.2, 1, 3)]
    assert needed == sorted(needed)
    assert len(set(needed)) == 3
    assert within(1e9) == within(50)


def played(servers, rate, hold, patience, chance, count=40_000, bunch=1):
    """Return the share of those that came by chance that waited longer than *patience*."""
    free_at = [0.0] * servers
    now, waited = 0.0, 0
    for number in range(count):
        if number % bunch == 0:
            now += chance.expovariate(rate / bunch)
        begins = max(now, heapq.heappop(free_at))
        waited += begins - now > patience
        heapq.heappush(free_at, begins + hold(chance))
    return waited / count


@pytest.mark.parametrize(
    ("rate", "held", "patience"), [(40, 0.05, 0.1), (40, 0.05, 0.01), (6, 0.5, 0.1), (300, 0.02, 0)]
)
def test_so_many_connections_keep_what_they_promise(rate, held, patience):
    chance = random.Random(11)
    servers = enough(rate * held, held, patience=patience)

    def hold(chance):
        return chance.expovariate(1 / held)

    assert played(servers, rate, hold, patience, chance) < 0.015
    assert played(servers - 1, rate, hold, patience, chance) > 0.008


def test_bunches_are_met_by_what_is_advised_for_how_they_vary():
    """Five at once: what is wanted varies three times as much as by chance, (5 + 1) / 2."""
    chance = random.Random(11)
    rate, held, patience = 100, 0.05, 0.02

    def hold(chance):
        return chance.expovariate(1 / held)

    chance_alone = enough(rate * held, held, patience=patience)
    advised = enough(rate * held, held, patience=patience, burst=3)
    assert played(chance_alone, rate, hold, patience, chance, bunch=5) > 0.03
    assert played(advised, rate, hold, patience, chance, bunch=5) < 0.015
