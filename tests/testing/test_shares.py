"""The share logic keeps the budget, whatever happens; and everybody is served in the end."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multipool.budget.sharing import LEASE, PULSE
from multipool.testing.shares.fleet import BudgetExceededError, Fleet, Model
from multipool.testing.shares.store import Store
from multipool.testing.shares.world import World

models = st.builds(
    Model,
    budget=st.integers(2, 40),
    processes=st.integers(1, 10),
    hosts=st.integers(1, 4),
    max_size=st.integers(1, 8),
    held=st.floats(0.01, 0.5),
    latency=st.sampled_from([(0.0005, 0.005), (0.0, 0.1), (0.05, 0.4)]),
    loss=st.sampled_from([0.0, 0.02, 0.2]),
    seed=st.integers(0, 1000),
)
rates = st.lists(st.sampled_from([0, 0.2, 3, 12]), min_size=10, max_size=10)
happenings = st.lists(
    st.one_of(
        st.tuples(
            st.just("load"), st.lists(st.sampled_from([0, 0.2, 3, 12]), min_size=10, max_size=10)
        ),
        st.tuples(st.just("kill"), st.sets(st.integers(0, 9))),
        st.tuples(st.just("restart"), st.sets(st.integers(0, 9))),
        st.tuples(st.just("crash"), st.floats(0.3, 3)),
        st.tuples(st.just("wait"), st.floats(0.05, 8)),
    ),
    max_size=12,
)


def play(fleet, happened):
    """Let it happen, one after the other, with a little time between."""
    places = range(len(fleet.processes))
    for what, value in happened:
        if what == "load":
            fleet.load(lambda place, rates=value: rates[place])
        elif what == "kill":
            fleet.kill(place for place in value if place in places)
        elif what == "restart":
            fleet.restart(place for place in value if place in places)
        elif what == "crash":
            fleet.crash(value)
        fleet.pass_time(value if what == "wait" else 0.3)


@given(models, happenings)
@example(  # which a claim by a line of before the crash was answered in
    Model(budget=3, processes=9, hosts=3, max_size=2, held=0.0625, loss=0, seed=0),
    [
        ("kill", set()),
        ("load", [12, 12, 0.2, 12, 0.2, 0.2, 12, 12, 12, 0]),
        ("kill", set()),
        ("crash", 1.0),
    ],
)
@example(  # which one claimed in that had given all back, and whose close was under way yet
    Model(
        budget=2,
        processes=6,
        hosts=4,
        max_size=1,
        held=0.5,
        latency=(0.05, 0.4),
        loss=0.2,
        seed=866,
    ),
    [("kill", set()), ("load", [0, 0, 0, 3, 12, 0, 0, 0, 0, 0])],
)
@settings(max_examples=80, deadline=None)
def test_the_budget_is_kept_at_every_instant_and_everybody_is_served_in_the_end(model, happened):
    fleet = Fleet(model)
    fleet.load(lambda _: 3)
    play(fleet, happened)  # raises where it is not kept
    fleet.restart(range(model.processes))
    fleet.load(lambda _: 0)
    # As long as one connection takes to do it all, with as much again for each change of turn, of
    # which every message may take its longest.
    left = sum(len(one.waiting) + one.used for one in fleet.processes)
    each = model.held + model.latency[1]
    fleet.pass_time(20 * LEASE * PULSE + 3 * left * each, every=5)
    assert [len(one.waiting) for one in fleet.processes] == [0] * model.processes


@pytest.mark.parametrize("processes", [4, 30])
def test_a_load_that_moves_is_followed(processes):
    fleet = Fleet(Model(budget=12, processes=processes), [range(1), range(1, 2)])
    fleet.load(lambda place: 75 if place == 0 else 0.01)
    fleet.pass_time(10)
    assert fleet.samples[-1].sessions[0] >= 8
    fleet.load(lambda place: 75 if place == 1 else 0.01)
    fleet.pass_time(15)
    assert fleet.samples[-1].sessions[1] >= 8


def asking_at_once() -> int:
    """Return the most sessions that hosts ever had which are all busy, those for asking too."""
    model = Model(budget=60, processes=200, hosts=6, held=0.2, loss=0.01)
    fleet = Fleet(model)
    fleet.load(lambda place: 12 if place < 40 else 0.05)
    fleet.pass_time(30)
    fleet.load(lambda place: 12 if place >= 160 else 0.05)
    fleet.pass_time(30)
    return fleet.store.most


def test_those_that_only_ask_keep_the_budget_too_though_they_are_on_several_hosts():
    assert asking_at_once() <= 60


def test_they_would_not_if_one_were_kept_for_all_hosts(monkeypatch):
    """So that the model would tell."""
    monkeypatch.setattr(Store, "kept", lambda _: 1)
    assert asking_at_once() > 60


def test_nobody_starves_where_there_are_more_processes_than_connections():
    fleet = Fleet(Model(budget=6, processes=20, held=0.02))
    fleet.load(lambda _: 1)
    fleet.pass_time(120)
    served = [one.served for one in fleet.processes]
    assert min(served) > 0.5 * 120


def test_the_same_seed_plays_the_same():
    def played():
        fleet = Fleet(Model(loss=0.1))
        fleet.load(lambda _: 10)
        fleet.pass_time(10)
        return fleet.samples

    assert played() == played()


def test_a_store_that_gives_away_what_others_have_is_found_out(monkeypatch):
    """So that the model would tell."""
    claim = Store.claim

    def generous(self, process, told):
        self.budget += 1
        return claim(self, process, told)

    monkeypatch.setattr(Store, "claim", generous)
    fleet = Fleet(Model())
    fleet.load(lambda _: 100)
    with pytest.raises(BudgetExceededError, match="allowed, of 11"):
        fleet.pass_time(20)


def test_time_passes_in_order():
    world, seen = World(1), []
    for seconds in (3, 1, 2, 1):
        world.after(seconds, lambda: seen.append(world.now))
    world.pass_time(2.5)
    assert seen == [1, 1, 2]
    assert world.now == 2.5
