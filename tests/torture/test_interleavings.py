"""Every way in which two or three threads can interleave at the core's decision points.

Exhaustive for two preemptions, and for one where three threads play or the play is long;
see `scheduler`. What fails prints the choices that repeat it: ``play(scene, choices)``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from fake_pools import AtOnce
from torture.scheduler import Failure, Lock, Scheduler, walk

from multipool import ConnectionNotLeased, Pool, PoolClosed, PoolTimeout, upkeep
from multipool.clock import clock
from multipool.places import Places
from multipool.testing.fake import FakeDriver, FakeServer, Raise, errors

pytestmark = pytest.mark.usefixtures("stepped")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = AtOnce()
    monkeypatch.setattr(upkeep, "of", lambda option: here)
    # Else every connection is looked at before it is lent, and the hot path never taken.
    monkeypatch.setattr(clock, "asleep", False)


class Play:
    """The pool of one play, and who has which of its connections."""

    def __init__(self, size: int = 1, **options: Any) -> None:
        self.server = FakeServer()
        self.pool = Pool(
            {},
            driver=FakeDriver(self.server),
            max_size=size,
            max_lifetime=None,
            max_idle=None,
            name="shop",
            **options,
        )
        self.size = size
        self._had: set[int] = set()

    def lend(self, timeout: float = 30) -> Any:
        """Check out, and see that nobody else has it."""
        conn = self.pool.getconn(timeout)
        assert conn.backend_pid not in self._had, "two have one connection"
        self._had.add(conn.backend_pid)
        return conn

    def give_back(self, conn: Any) -> None:
        """Return what `lend` lent."""
        self._had.discard(conn.backend_pid)
        self.pool.putconn(conn)

    def use(self) -> None:
        """Borrow, and give back."""
        self.give_back(self.lend())

    def check_whole(self, held: int = 0) -> None:
        """Fail unless the pool lends all it may and has no more, none of them twice."""
        places = self.pool._inner.places
        assert not places.lock.locked(), "the lock is held for good"
        assert not places.waiting, "somebody is still in the line"
        assert self.server.peak <= self.size, "more than max_size"
        conns = [self.pool.getconn(timeout=0) for _ in range(self.size - held)]
        assert len({conn.backend_pid for conn in conns}) == len(conns), "one was lent twice"
        for conn in conns:
            self.pool.putconn(conn)
        assert len(places.slots) - len(places.idle) == held, "a place is lost"

    def check_closed(self) -> None:
        """Fail unless a closed pool has nothing left, here and on the server."""
        assert (self.server.open, len(self.pool._inner.places.slots)) == (0, 0)


Scene = tuple[dict[str, Callable[[], object]], Callable[[], object]]


def a_return_against_a_wait(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()
    return {"returner": lambda: play.give_back(conn), "waiter": play.use}, play.check_whole


def a_checkout_against_a_checkout(_: Scheduler) -> Scene:
    play = Play(size=2)
    play.use()
    return {"one": play.use, "other": play.use}, play.check_whole


def a_timeout_against_a_hand_off(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()

    def wait() -> None:
        try:
            mine = play.lend(timeout=1)
        except PoolTimeout:
            return
        play.give_back(mine)

    return {"returner": lambda: play.give_back(conn), "waiter": wait}, play.check_whole


def a_close_against_a_wait(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()

    def wait() -> None:
        with pytest.raises(PoolClosed):
            play.lend()

    def check() -> None:
        play.give_back(conn)
        play.check_closed()

    return {"closer": lambda: play.pool.close(timeout=0), "waiter": wait}, check


def a_close_against_a_return(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()

    return {
        "closer": lambda: play.pool.close(timeout=0),
        "returner": lambda: play.give_back(conn),
    }, play.check_closed


def a_close_against_a_return_that_takes_long(_: Scheduler) -> Scene:
    """A transaction left open is rolled back: the return goes by the slow way."""
    play = Play()
    conn = play.lend()
    conn.cursor().execute("select 1")

    return {
        "closer": lambda: play.pool.close(timeout=0),
        "returner": lambda: play.give_back(conn),
    }, play.check_closed


def a_close_against_a_checkout(_: Scheduler) -> Scene:
    play = Play()

    def borrow() -> None:
        with suppress(PoolClosed):
            play.use()

    return {"closer": lambda: play.pool.close(timeout=0), "borrower": borrow}, play.check_closed


def a_loss_against_a_wait(_: Scheduler) -> Scene:
    play = Play()
    held = [play.pool.getconn()]
    return {"loser": held.clear, "waiter": play.use}, play.check_whole


def a_resize_against_a_return(_: Scheduler) -> Scene:
    play = Play(size=2)
    first, second = play.lend(), play.lend()

    def check() -> None:
        play.give_back(second)
        assert len(play.pool._inner.places.slots) == 1, "not as small as it should be"
        play.size = 1
        play.server.peak = 1
        play.check_whole()

    return {
        "resizer": lambda: play.pool.resize(max_size=1),
        "returner": lambda: play.give_back(first),
    }, check


def a_resize_against_a_checkout_of_an_idle_connection(_: Scheduler) -> Scene:
    play = Play(size=2)
    first, second = play.lend(), play.lend()
    play.give_back(first)

    def check() -> None:
        play.give_back(second)
        assert len(play.pool._inner.places.slots) == 1, "not as small as it should be"

    return {"resizer": lambda: play.pool.resize(max_size=1), "borrower": borrow_twice(play)}, check


def borrow_twice(play: Play) -> Callable[[], None]:
    """Return what borrows and gives back, as far as there is something."""

    def borrow() -> None:
        for _ in range(2):
            try:
                conn = play.lend(timeout=0)
            except PoolTimeout:
                return
            play.give_back(conn)

    return borrow


def a_growth_against_a_wait(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()

    def check() -> None:
        play.give_back(conn)
        play.size = 2
        play.check_whole()

    return {"resizer": lambda: play.pool.resize(max_size=2), "waiter": play.use}, check


def two_returns_of_one_lease(_: Scheduler) -> Scene:
    play = Play()
    conn = play.pool.getconn()
    refused = []

    def give_back() -> None:
        try:
            play.pool.putconn(conn)
        except ConnectionNotLeased:
            refused.append(1)

    def check() -> None:
        assert refused == [1]
        play.check_whole()

    return {"one": give_back, "other": give_back}, check


def a_drain_against_a_return(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()
    old = conn.backend_pid

    def check() -> None:
        again = play.pool.getconn(timeout=0)
        assert again.backend_pid != old
        play.pool.putconn(again)
        play.check_whole()

    return {"drainer": play.pool.drain, "returner": lambda: play.give_back(conn)}, check


def a_connect_that_fails_against_a_wait(_: Scheduler) -> Scene:
    play = Play()
    play.server.once("connect", Raise(errors.OperationalError("no such database", "3D000")))
    failed = []

    def borrow() -> None:
        try:
            play.use()
        except errors.OperationalError:
            failed.append(1)

    def check() -> None:
        assert failed == [1]
        play.check_whole()

    return {"one": borrow, "other": borrow}, check


def a_check_that_fails_against_a_wait(_: Scheduler) -> Scene:
    """What was lent to nobody goes, and whoever waits gets the place."""
    play = Play()
    play.use()
    play.pool._inner.places.spend()
    return {"one": play.use, "other": play.use}, play.check_whole


def one_return_and_two_waits(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()
    return {
        "returner": lambda: play.give_back(conn),
        "one": play.use,
        "other": play.use,
    }, play.check_whole


def two_that_wait_for_each_other_again_and_again(_: Scheduler) -> Scene:
    """The same threads wait more than once, each by the `Waiter` that it waited by before."""
    play = Play()
    play.use()

    def work() -> None:
        for _ in range(2):
            play.use()

    return {"one": work, "other": work}, play.check_whole


def a_close_a_return_and_a_wait(_: Scheduler) -> Scene:
    play = Play()
    conn = play.lend()

    def wait() -> None:
        with suppress(PoolClosed):
            play.use()

    return {
        "closer": lambda: play.pool.close(timeout=0),
        "returner": lambda: play.give_back(conn),
        "waiter": wait,
    }, play.check_closed


TWO = [
    a_return_against_a_wait,
    a_checkout_against_a_checkout,
    a_timeout_against_a_hand_off,
    a_close_against_a_wait,
    a_close_against_a_return,
    a_close_against_a_return_that_takes_long,
    a_close_against_a_checkout,
    a_loss_against_a_wait,
    a_resize_against_a_return,
    a_resize_against_a_checkout_of_an_idle_connection,
    a_growth_against_a_wait,
    two_returns_of_one_lease,
    a_drain_against_a_return,
    a_connect_that_fails_against_a_wait,
    two_that_wait_for_each_other_again_and_again,
]
# These are long, and would take minutes with two.
ONE = [
    a_check_that_fails_against_a_wait,
    one_return_and_two_waits,
    a_close_a_return_and_a_wait,
]


@pytest.mark.parametrize("scene", TWO, ids=lambda scene: scene.__name__)
def test_whatever_two_preemptions_may_do_all_goes_well_in(scene):
    assert walk(scene, preemptions=2, timeouts="timeout" in scene.__name__) > 30


@pytest.mark.parametrize("scene", ONE, ids=lambda scene: scene.__name__)
def test_whatever_one_preemption_may_do_all_goes_well_in(scene):
    assert walk(scene, preemptions=1) > 100


def test_in_some_plays_one_that_asks_overtakes_one_that_was_woken(monkeypatch):
    """Else the tests above would say nothing of it."""
    overtakings = []
    overtake = Places.overtake

    def counted(places: Places) -> Any:
        grant = overtake(places)
        if grant is not None:
            overtakings.append(grant.backend_pid)
        return grant

    monkeypatch.setattr(Places, "overtake", counted)
    walk(one_return_and_two_waits, preemptions=1)
    assert overtakings


def test_the_walk_finds_a_deadlock_and_tells_how():
    """Two locks taken in opposite order: the proof that the tests above can fail."""

    def scene(scheduler: Scheduler) -> Scene:
        play = Play()
        one, other = Lock(scheduler), Lock(scheduler)

        def take(first: Lock, second: Lock) -> None:
            with first:
                play.pool.stats()
                with second:
                    pass

        return {"a": lambda: take(one, other), "b": lambda: take(other, one)}, play.check_whole

    with pytest.raises(Failure, match=r"(?s)for ever waiting: a, b.*choices: \[.*1\]"):
        walk(scene, preemptions=1)


def test_the_walk_finds_a_connection_lent_twice():
    """A pool that looks first and takes later: the proof that one preemption shows it."""

    def scene(_: Scheduler) -> Scene:
        play = Play(size=2)
        play.use()

        def peek() -> None:
            conn = play.pool._inner.places.idle[-1]
            play.pool.stats()
            assert play.pool._inner.places.pick(conn), "somebody else has it"

        return {"one": peek, "other": peek}, lambda: None

    with pytest.raises(Failure, match="somebody else has it|list index|deque"):
        walk(scene, preemptions=1)
