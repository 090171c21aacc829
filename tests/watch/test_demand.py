"""How many connections are wanted at once, as upkeep sees it now and then."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from itertools import cycle
from types import SimpleNamespace

import pytest
from support import Thread, until

from multipool import Pool
from multipool.clock import TICK
from multipool.stats import Totals
from multipool.testing.fake import FakeDriver
from multipool.watch.demand import KEPT, WINDOW, Demand, Peak


class Scene:
    """A pool of which only is known what `Demand` looks at, and a clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0
        self.demand = Demand()
        self.totals = Totals("shop", use_time=False)
        self.leases, self.queue = 0, []
        self.places = SimpleNamespace(
            slots=[], outage=None, leases=lambda: self.leases, queue=lambda: self.queue
        )

    def look(self, used, waiting=0, *, after=TICK, napped=False, new=0):
        self.now += after
        self.leases += new
        self.places.slots = [SimpleNamespace(leased=True)] * used + [SimpleNamespace(leased=False)]
        self.queue = [None] * waiting
        self.demand.look(self, self.now, napped=napped)

    def pass_window(self, *looks):
        """Look until five minutes are over, *looks* in turn."""
        going_on, turns = self.demand._sum, cycle(looks)
        while self.demand._sum is going_on:
            self.look(*next(turns))

    def peak(self):
        return self.demand.peak(self, self.now)


@pytest.fixture
def scene():
    scene = Scene()
    scene.look(0)  # from here on it is known since when
    return scene


def test_each_look_stands_for_the_time_since_the_last(scene):
    for used in (1, 3, 2, 2):
        scene.look(used, after=0.5)
    assert scene.demand.observed == pytest.approx(2)
    assert scene.demand.busy == pytest.approx(0.5 * 8)


def test_a_nap_is_halved_between_its_ends_and_ends_with_no_more_than_it_began(scene):
    scene.look(2)
    before = scene.demand.busy
    scene.look(1, after=4 + TICK, napped=True)
    assert scene.demand.busy - before == pytest.approx(2 * 2 + 2 * 1 + TICK)
    scene.look(0)
    before = scene.demand.busy
    scene.look(5, after=4 + TICK, napped=True, new=5)  # who have these ended the nap
    assert scene.demand.busy - before == pytest.approx(5 * TICK)


def test_what_nobody_looked_at_is_not_made_up(scene):
    scene.look(3)
    scene.look(3, after=3600)
    assert scene.demand.observed == pytest.approx(10 + TICK)


def test_an_outage_is_no_demand(scene):
    scene.places.outage = object()
    scene.look(0, 50, after=5)
    assert scene.demand.observed == 0
    scene.places.outage = None
    scene.look(1, after=5)
    assert scene.demand.observed == pytest.approx(5)


def test_nothing_is_told_before_there_is_a_minute_of_it(scene):
    scene.look(1, after=10)
    assert scene.peak() is None
    for _ in range(6):
        scene.look(1, after=10)
    assert scene.peak().most == 1


def test_the_five_minutes_are_told_with_what_was_counted_in_them(scene):
    scene.pass_window((0,))
    scene.totals.add_wait(1.5)
    scene.totals.add("timeouts")
    scene.leases = 700
    scene.pass_window((4, 2), (2, 0))
    peak = scene.peak()
    assert (peak.checkouts, peak.waited, peak.wait_time, peak.refused) == (700, 1, 1.5, 1)
    assert (peak.busy, peak.queued, peak.short) == pytest.approx((900, 300, 150), rel=1e-3)
    assert (peak.wanted, peak.variance) == pytest.approx((4, 4), rel=1e-3)
    assert (peak.p99, peak.most) == (6, 6)
    assert peak.age == 0


def test_one_second_in_a_hundred_is_left_out_of_p99_and_seen_in_most(scene):
    for _ in range(20):
        scene.look(9)
    scene.pass_window((3,))
    assert (scene.peak().p99, scene.peak().most) == (3, 9)


def test_the_busiest_five_minutes_of_the_last_day_are_kept(scene):
    for used in (2, 7, 3, 5):
        scene.pass_window((used,))
    assert scene.peak().most == 7
    assert scene.peak().age == pytest.approx(2 * WINDOW, rel=0.01)
    while scene.peak().most == 7:
        scene.pass_window((1,))
    assert scene.peak().most == 5
    assert scene.now - 1000 == pytest.approx(KEPT + 3 * WINDOW, rel=0.01)
    assert len(scene.demand._best) <= 3


@pytest.mark.parametrize("told", [{}, {"age": "x"}, None])
def test_a_peak_that_makes_no_sense_is_none(told):
    assert Peak.from_dict(told or {}) is None


def test_a_peak_survives_json(scene):
    scene.pass_window((3, 1))
    told = scene.peak().as_dict()
    assert Peak.from_dict(json.loads(json.dumps(told))).as_dict() == told
    for bad in (-1, float("nan"), float("inf"), "many", None):
        assert Peak.from_dict({**told, "busy": bad}) is None


@pytest.mark.parametrize("length", [0.02, 0.35, 2.0])
@pytest.mark.parametrize("pause", [0.01, 0.4, 7.0])
def test_looks_at_chance_moments_find_how_long_a_lease_lasts_on_average(length, pause):
    """A model of upkeep's thread: it naps once nothing was lent between two ticks."""
    chance = random.Random(7)
    begins, ends = [], []
    now = 0.0
    while now < 4000:
        begins.append(now)
        now += length * chance.uniform(0.5, 1.5)
        ends.append(now)
        now += pause * chance.expovariate(1)
    scene = Scene()
    scene.now = 0.0
    lent, used, nap, napping, roused = 0, 0, TICK, True, False
    while lent < len(begins):
        nap = min(1.25 * nap, 5.0) if napping and used else TICK
        wait = TICK * chance.random() if roused else nap if used or not napping else 5.0
        tick = scene.now + wait
        if napping and begins[lent] < tick:
            tick = begins[lent] + TICK * chance.random()
            roused, napping = True, False
        new = bisect_right(begins, tick) - lent
        lent += new
        used = int(lent > 0 and tick < ends[lent - 1])
        scene.look(used, after=tick - scene.now, napped=napping or roused, new=new)
        napping = not new and not roused
        roused = False
    truth = sum(ends) - sum(begins)
    assert scene.demand.busy == pytest.approx(truth, rel=0.15)


def test_upkeep_looks_by_itself():
    with Pool("", driver=FakeDriver(), max_size=1) as pool:
        conn = pool.getconn()
        waiting = Thread(lambda: pool.putconn(pool.getconn()))
        until(lambda: pool.stats().busy_time > 0)
        until(lambda: pool._inner.demand._sum._queued > 0)
        pool.putconn(conn)
        waiting.outcome()
        until(lambda: pool._inner.demand._used == 0)


def test_inline_those_who_call_look():
    with Pool("", driver=FakeDriver(), upkeep="inline", max_size=3) as pool:
        with pool.connection():
            pool._inner.upkeep.due = 0.0
            pool.putconn(pool.getconn())
            pool._inner.upkeep.due = 0.0
            pool.putconn(pool.getconn())
        assert pool.stats().busy_time > 0
