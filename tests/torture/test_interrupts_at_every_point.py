"""An interrupt at each point of the core at which CPython may deliver one.

KeyboardInterrupt, a greenlet's kill and ``PyThreadState_SetAsyncExc`` can strike wherever
the interpreter looks up. Each scenario is played once for each such point, and afterwards
the pool must lend as many connections as ever.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest
from support import LateRiser, Thread, until
from torture.checkpoints import once_at, visiting

from multipool import Pool
from multipool.borrower import here
from multipool.places import Room
from multipool.testing.fake import FakeDriver, FakeServer

pytestmark = [
    pytest.mark.usefixtures("stepped"),
    # What strikes in a connection's finaliser Python reports, and goes on.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIZE = 2


class Interrupt(BaseException):
    """Stands for all that is raised from outside."""


Act = Callable[[], object]


def checkout_of_an_idle_connection(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    return pool.getconn


def checkout_of_a_wary_connection(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    pool._inner.places.make_wary()
    return pool.getconn


def checkout_of_a_dead_connection(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    pool._inner.places.spend()
    return pool.getconn


def checkout_that_connects(pool: Pool) -> Act:
    return pool.getconn


def checkout_that_waits(pool: Pool) -> Act:
    here.waiter = None  # as if this thread had never waited
    return another_checkout_that_waits(pool)


def another_checkout_that_waits(pool: Pool) -> Act:
    held = Thread(lambda: [pool.getconn() for _ in range(SIZE)]).outcome()
    over = threading.Event()

    def give_back() -> None:
        while not pool._inner.waiting and not over.is_set():
            time.sleep(0.0002)
        while held:
            pool.putconn(held.pop())

    giver = Thread(give_back)

    def act() -> None:
        try:
            pool.putconn(pool.getconn())
        finally:
            over.set()
            giver.outcome()

    return act


def checkout_that_overtakes(pool: Pool) -> Act:
    here.borrower.overtook = 0  # as if this thread had never overtaken anybody
    held = Thread(lambda: [pool.getconn() for _ in range(SIZE)]).outcome()
    late = LateRiser(pool)
    Thread(lambda: pool.putconn(held.pop())).outcome()

    def act() -> None:
        try:
            pool.putconn(pool.getconn())
        finally:
            late.rise()
            while held:
                pool.putconn(held.pop())

    return act


def wait_of_one_that_was_overtaken(pool: Pool) -> Act:
    held = Thread(lambda: [pool.getconn() for _ in range(SIZE)]).outcome()
    places = pool._inner.places
    wait, taken = places.wait, []

    def wait_overtaken(waiter: Any, until: float) -> Any:
        Thread(lambda: pool.putconn(held.pop())).outcome()
        taken.append(Thread(pool.getconn).outcome())
        Thread(lambda: pool.putconn(held.pop())).outcome()
        return wait(waiter, until)

    def act() -> None:
        places.wait = wait_overtaken
        try:
            pool.putconn(pool.getconn())
        finally:
            places.wait = wait
            while taken or held:
                pool.putconn((taken or held).pop())

    return act


def checkout_that_times_out(pool: Pool) -> Act:
    held = Thread(lambda: [pool.getconn() for _ in range(SIZE)]).outcome()

    def act() -> None:
        try:
            pool.getconn(timeout=0.001)
        except pool.driver.OperationalError:
            pass
        finally:
            while held:
                pool.putconn(held.pop())

    return act


def clean_return(pool: Pool) -> Act:
    conn = pool.getconn()
    return lambda: pool.putconn(conn)


def return_in_a_transaction(pool: Pool) -> Act:
    conn = pool.getconn()
    conn.cursor().execute("select 1")
    return lambda: pool.putconn(conn)


def return_of_a_spent_connection(pool: Pool) -> Act:
    conn = pool.getconn()
    pool.drain()
    return lambda: pool.putconn(conn)


def return_to_one_who_waits(pool: Pool) -> Act:
    conns = [pool.getconn() for _ in range(SIZE)]
    Thread(lambda: pool.putconn(pool.getconn(timeout=5)))
    until(lambda: pool.stats().waiting == 1)

    def act() -> None:
        try:
            pool.putconn(conns.pop())
        finally:
            pool.putconn(conns.pop())

    return act


def with_block(pool: Pool) -> Act:
    def act() -> None:
        with pool.connection() as conn:
            conn.cursor().execute("select 1")

    return act


def drain(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    return pool.drain


def resize(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    return lambda: pool.resize(max_size=SIZE)


def statistics(pool: Pool) -> Act:
    pool.putconn(pool.getconn())
    return pool.stats


SCENARIOS = [
    checkout_of_an_idle_connection,
    checkout_of_a_wary_connection,
    checkout_of_a_dead_connection,
    checkout_that_connects,
    checkout_that_waits,
    another_checkout_that_waits,
    checkout_that_overtakes,
    wait_of_one_that_was_overtaken,
    checkout_that_times_out,
    clean_return,
    return_in_a_transaction,
    return_of_a_spent_connection,
    return_to_one_who_waits,
    with_block,
    drain,
    resize,
    statistics,
]


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_pool_is_whole_after_an_interrupt_at_every_point_of(scenario, upkeep):
    struck = []
    for number in itertools.count():
        place = strike(scenario, upkeep, number)
        if place is None:
            break
        struck.append(place)
    assert struck


def strike(scenario: Callable[[Pool], Act], upkeep: str, number: int) -> str | None:
    """Play *scenario* with an interrupt at its point *number*; return where that was.

    None if there are not as many.
    """

    def interrupt() -> None:
        raise Interrupt

    visit, places = once_at(number, interrupt, skip=in_room_finaliser)
    with whole_pool(upkeep) as pool:
        act = scenario(pool)
        with suppress(Interrupt), visiting(visit):
            act()
        check(pool, f"interrupted at {places}")
    return places[0] if places else None


def in_room_finaliser(frame: FrameType | None) -> bool:
    """Tell whether a point lies in ``Room.__del__``: the one place where an interrupt costs one.

    Python gives an error in a finaliser to nobody, and nobody else knows of that place.
    """
    while frame is not None:
        if frame.f_code is Room.__del__.__code__:
            return True
        frame = frame.f_back
    return False


@contextmanager
def whole_pool(upkeep: str) -> Iterator[Pool]:
    pool = Pool({}, driver=FakeDriver(FakeServer()), max_size=SIZE, upkeep=upkeep, name="shop")
    try:
        yield pool
    finally:
        pool.close(timeout=0)


def check(pool: Pool, told: str) -> None:
    """Fail unless the pool can lend all it may, and has no more than that."""
    gc.collect()
    assert not pool._inner.places.lock.locked(), f"{told}: the lock is held for good"
    # The interrupted return of a connection that is still referred to may be made again.
    held = sum(slot.leased is not None for slot in pool._inner.places.slots)
    try:
        lent = [pool.getconn(timeout=2) for _ in range(SIZE - held)]
    except pool.driver.OperationalError as error:
        raise AssertionError(f"{told}: {error}; {pool.stats()}") from error
    for conn in lent:
        pool.putconn(conn)
    server: FakeServer = pool.driver.server
    assert server.peak <= SIZE, f"{told}: {server.peak} connections at once"
    assert pool.stats().waiting == 0, told
    until(lambda: pool.stats().connecting == 0)
