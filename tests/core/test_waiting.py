"""Bounded size, first come first served, timeouts."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import LateRiser, Thread, until

from multipool import UNLIMITED, Pool, PoolTimeout, TooManyWaiting
from multipool.borrower import here
from multipool.handoff import MOST
from multipool.testing.fake import FakeDriver, FakeServer, Hang, Raise, Sleep, errors


def test_no_more_than_max_size_connections_are_open_however_slow_connects_are(fake, make_pool):
    fake.always("connect", Sleep(0.01))
    pool = make_pool(max_size=3)

    def work():
        for _ in range(5):
            with pool.connection():
                time.sleep(0.001)

    for thread in [Thread(work) for _ in range(12)]:
        thread.outcome(20)
    assert fake.peak == 3


def test_an_unlimited_pool_is_spelled_out(fake, make_pool):
    pool = make_pool(max_size=UNLIMITED)
    conns = [pool.getconn() for _ in range(50)]
    assert fake.open == 50
    assert pool.stats().max_size is None
    for conn in conns:
        pool.putconn(conn)


def test_connections_are_opened_at_the_same_time_not_one_after_another(fake, make_pool):
    hang = fake.once("connect", Hang())
    pool = make_pool(max_size=2)
    slow = Thread(pool.getconn)
    hang.wait_until_reached()
    pool.putconn(pool.getconn())  # does not wait for the one that hangs
    hang.release()
    slow.outcome()


def test_those_who_wait_are_served_in_the_order_in_which_they_came(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    served = []

    def borrow(number):
        with pool.connection():
            served.append(number)

    threads = []
    for number in range(8):
        threads.append(Thread(lambda number=number: borrow(number)))
        until(lambda number=number: pool.stats().waiting == number + 1)
    pool.putconn(conn)
    for thread in threads:
        thread.outcome()
    assert served == list(range(8))


def test_nobody_who_comes_later_snatches_a_connection_from_those_who_wait(make_pool):
    """The thread that returns and asks again at once joins the end of the line."""
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    pool.putconn(conn)
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0)
    assert waiting.outcome() is conn


def test_one_that_runs_overtakes_one_that_was_served_and_does_not_run_yet(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    late = LateRiser(pool)
    later = LateRiser(pool)
    pool.putconn(conn)
    assert pool.stats().waiting == 1
    assert Thread(lambda: pool.getconn(timeout=0)).outcome() is conn
    assert pool.stats().waiting == 2  # it is in the line again
    Thread(lambda: pool.putconn(conn)).outcome()
    assert pool.stats().waiting == 1  # and was at its front
    assert late.served() is conn
    assert later.served() is conn


def test_nobody_is_overtaken_more_than_so_many_times_in_one_wait(make_pool):
    pool = make_pool(max_size=1)

    def overtake():
        pool.putconn(pool.getconn(timeout=0))

    for _ in range(2):  # another wait is another matter
        conn = pool.getconn()
        late = LateRiser(pool)
        pool.putconn(conn)
        for _ in range(MOST):
            Thread(overtake).outcome()
        with pytest.raises(PoolTimeout):
            Thread(overtake).outcome()
        assert late.served() is conn


def test_nobody_overtakes_more_than_so_many_times_without_having_waited_in_between(make_pool):
    pool = make_pool(max_size=1)

    def overtake(someone):
        conn = Thread(pool.getconn).outcome()
        late = LateRiser(pool)
        Thread(lambda: pool.putconn(conn)).outcome()
        try:
            pool.putconn(someone(lambda: pool.getconn(timeout=0)))
        finally:
            late.served()

    def wait():
        conn = Thread(pool.getconn).outcome()
        giving = Thread(lambda: (until(lambda: pool.stats().waiting), pool.putconn(conn)))
        pool.putconn(worker(lambda: pool.getconn(timeout=5)))
        giving.outcome()

    with ThreadPoolExecutor(1) as threads:

        def worker(work):
            return threads.submit(work).result(10)

        for _ in range(2):
            for _ in range(MOST):
                overtake(worker)
            with pytest.raises(PoolTimeout):
                overtake(worker)
            overtake(lambda work: Thread(work).outcome())  # another may
            wait()


def test_one_that_was_overtaken_and_gives_up_leaves_the_line(make_pool):
    pool = make_pool(max_size=1, timeout=0.05)
    conn = pool.getconn()
    late = LateRiser(pool)
    pool.putconn(conn)
    assert Thread(lambda: pool.getconn(timeout=0)).outcome() is conn
    with pytest.raises(PoolTimeout):
        late.served()
    assert pool.stats().waiting == 0
    Thread(lambda: pool.putconn(conn)).outcome()
    assert pool.getconn(timeout=0) is conn


def test_each_of_eight_threads_gets_its_turns_on_one_connection(make_pool):
    pool = make_pool(max_size=1)
    turns = dict.fromkeys(range(8), 0)
    start = threading.Barrier(len(turns))
    stop = threading.Event()

    def work(number):
        start.wait()  # else the first have had turns before the last is there
        while not stop.is_set():
            with pool.connection():
                turns[number] += 1
                time.sleep(0.0005)

    threads = [Thread(lambda number=number: work(number)) for number in turns]
    until(lambda: sum(turns.values()) >= 400, 30)
    stop.set()
    for thread in threads:
        thread.outcome()
    assert max(turns.values()) - min(turns.values()) <= 8


def test_a_wait_ends_with_pool_timeout(make_pool):
    pool = make_pool(max_size=1, timeout=0.05)
    conn = pool.getconn()
    with pytest.raises(PoolTimeout, match="'shop': no connection within 0.05 s"):
        Thread(pool.getconn).outcome()
    assert pool.stats().waiting == 0
    assert pool.stats().timeouts == 1
    pool.putconn(conn)


def test_a_thread_that_an_interrupt_kept_in_the_line_leaves_it_all_the_same(make_pool):
    """The one who returned was struck after the hand-over, before he took it off the line."""
    pool = make_pool(max_size=1)
    conn = pool.getconn()

    def wait_twice():
        pool.getconn()
        waiter = here.waiter
        pool._inner.waiting.append(waiter)
        pool.putconn(conn)
        lent.set()
        go_on.wait(10)
        pool._inner.waiting.append(waiter)
        with pytest.raises(PoolTimeout):
            pool.getconn(timeout=0.01)

    lent, go_on = threading.Event(), threading.Event()
    thread = Thread(wait_twice)
    until(lambda: pool.stats().waiting == 1)
    pool.putconn(conn)
    assert lent.wait(10)
    assert pool.getconn() is conn
    go_on.set()
    thread.outcome()
    assert pool.stats().waiting == 0
    Thread(lambda: pool.putconn(conn)).outcome()
    assert pool.getconn(timeout=0) is conn
    pool.putconn(conn)


def test_the_timeout_of_one_checkout_overrides_the_pools(make_pool):
    pool = make_pool(max_size=1, timeout=30)
    conn = pool.getconn()
    with pytest.raises(PoolTimeout, match=r"0\.01 s"):
        Thread(lambda: pool.getconn(timeout=0.01)).outcome()
    pool.putconn(conn)


def test_timeout_zero_raises_at_once_and_takes_what_is_idle(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    with pytest.raises(PoolTimeout, match="at once"):
        pool.getconn(timeout=0)
    pool.putconn(conn)
    assert pool.getconn(timeout=0) is conn


def test_a_timeout_names_who_holds_the_connections_and_where(make_pool):
    pool = make_pool(max_size=1)

    def hold_it():
        return pool.getconn()

    conn = Thread(hold_it).outcome()
    with pytest.raises(PoolTimeout) as caught:
        pool.getconn(timeout=0.01)
    message = str(caught.value)
    assert "1 of max_size=1 in use, 1 waiting" in message
    assert "test_waiting.py:" in message
    assert "in hold_it" in message
    assert "(ended)" in message
    pool.putconn(conn)


def test_the_place_named_for_a_with_block_is_the_users_not_ours(make_pool):
    pool = make_pool(max_size=1)
    with pool.connection(), pytest.raises(PoolTimeout, match=r"test_waiting\.py:\d+ in test_the_p"):
        Thread(lambda: pool.getconn(timeout=0.01)).outcome()


def test_a_thread_that_holds_everything_is_told_at_once_that_it_would_wait_for_itself(make_pool):
    pool = make_pool(max_size=2, timeout=30)
    held = [pool.getconn(), pool.getconn()]
    with pytest.raises(PoolTimeout, match="would wait for itself") as caught:
        pool.getconn()
    assert str(caught.value).count("test_waiting.py") == 2
    for conn in held:
        pool.putconn(conn)


def test_more_than_max_waiting_are_refused_at_once(make_pool):
    pool = make_pool(max_size=1, max_waiting=1)
    conn = Thread(pool.getconn).outcome()
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    with pytest.raises(TooManyWaiting, match="max_waiting=1"):
        pool.getconn()
    assert pool.stats().rejected == 1
    pool.putconn(conn)
    waiting.outcome()


def test_what_the_pool_raises_is_also_the_drivers_operational_error(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    with pytest.raises(errors.OperationalError):
        pool.getconn(timeout=0)
    pool.putconn(conn)


def test_a_connect_that_fails_frees_its_place_for_the_next_who_waits(fake, make_pool):
    pool = make_pool(max_size=1)
    hang = fake.once("connect", Hang())
    fake.once("connect", Raise(errors.OperationalError("refused")))
    first = Thread(pool.getconn)
    hang.wait_until_reached()
    second = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    third = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 2)
    hang.release()
    pool.putconn(first.outcome())
    # The second got the first's connection; nobody was refused.
    conn = second.outcome()
    pool.putconn(conn)
    assert third.outcome() is conn


def test_the_error_of_a_connect_reaches_the_caller_and_leaves_the_pool_usable(fake, make_pool):
    pool = make_pool(max_size=1)
    fake.once("connect", Raise(errors.OperationalError("no such database", "3D000")))
    with pytest.raises(errors.OperationalError, match="no such database") as caught:
        pool.getconn()
    assert caught.value.__notes__ == ["while pool 'shop' opened a connection"]
    assert pool.stats().connect_errors == 1
    pool.putconn(pool.getconn())


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_while_connecting_leaves_the_place_free(fake, make_pool, interrupt):
    pool = make_pool(max_size=1)
    fake.once("connect", Raise(interrupt()))
    with pytest.raises(interrupt):
        pool.getconn()
    assert pool.stats().size == 0
    pool.putconn(pool.getconn())


def test_a_timeout_covers_waiting_and_connecting_together(fake, make_pool):
    pool = make_pool(max_size=1)
    fake.once("connect", Sleep(10))
    started = time.monotonic()
    with pytest.raises(errors.OperationalError):
        pool.getconn(timeout=0.05)
    assert time.monotonic() - started < 5


def test_nothing_is_lost_when_waits_time_out_while_connections_are_handed_over(make_pool):
    pool = make_pool(max_size=2)

    def work():
        for _ in range(200):
            try:
                conn = pool.getconn(timeout=0.0003)
            except PoolTimeout:
                continue
            time.sleep(0.0002)
            pool.putconn(conn)

    for thread in [Thread(work) for _ in range(8)]:
        thread.outcome(30)
    stats = pool.stats()
    assert (stats.used, stats.waiting, stats.connecting) == (0, 0, 0)
    assert stats.idle == stats.size
    assert len({id(pool.getconn(timeout=1)) for _ in range(2)}) == 2


def replace_the_connection_of(pool):
    """Have the only one closed, for which its place must become free, and another opened."""
    conn = pool.getconn()
    pool.drain()
    pool.putconn(conn)
    pool.putconn(pool.getconn(timeout=5))


def test_one_pools_slow_connects_do_not_hold_up_anothers_closes(make_pool):
    other = FakeServer()
    hang = other.always("connect", Hang())
    slow = Pool({}, driver=FakeDriver(other), name="slow", min_size=40, max_size=40)
    hang.wait_until_reached()
    replace_the_connection_of(make_pool(max_size=1))
    hang.release()
    slow.close()


def test_one_pools_slow_connects_do_not_keep_another_from_being_filled_up(make_pool):
    other = FakeServer()
    hang = other.always("connect", Hang())
    slow = Pool({}, driver=FakeDriver(other), name="slow", min_size=40, max_size=40)
    until(lambda: other.calls["connect"] >= 16)  # more at once would only crowd its server
    make_pool(min_size=2).wait(timeout=5)
    hang.release()
    slow.close()


def test_one_pools_hooks_that_hang_do_not_hold_up_anothers_closes(make_pool):
    """Nor its growth, for which places must become free."""
    reached, release = [], threading.Event()

    def hang(conn):
        reached.append(conn)
        release.wait(30)

    hanging = Pool({}, driver=FakeDriver(), name="hanging", max_size=100, on_close=hang)
    for conn in [hanging.getconn() for _ in range(100)]:
        hanging.putconn(conn)
    hanging.drain()
    until(lambda: len(reached) >= 64)  # helpers of its own
    replace_the_connection_of(make_pool(max_size=1))
    release.set()
    hanging.close()


def test_inline_upkeep_keeps_to_the_callers_timeout(fake, make_pool):
    pool = make_pool(min_size=2, upkeep="inline", timeout=20)
    fake.always("connect", Sleep(20))
    started = time.monotonic()
    with pytest.raises(errors.OperationalError):
        pool.getconn(timeout=0.1)
    assert time.monotonic() - started < 10


def test_inline_upkeep_has_no_more_than_the_timeout_for_all_it_opens(fake, make_pool, allowed):
    """Filling up and the borrower's own connection together, and one attempt of the former."""
    pool = make_pool(min_size=5, max_size=9, upkeep="inline", timeout=0.2)
    fake.always("connect", Sleep(20))
    with pytest.raises(errors.OperationalError):
        pool.getconn()
    assert len(allowed) == 2
    assert sum(allowed) <= 0.2
    assert pool.stats().size == 0


def test_inline_upkeep_keeps_to_the_timeout_of_those_who_wait_for_it(fake, make_pool, allowed):
    pool = make_pool(min_size=5, max_size=9, upkeep="inline", timeout=20)
    fake.always("connect", Raise(errors.OperationalError("timed out")))
    with pytest.raises(errors.OperationalError):
        pool.wait(timeout=0.2)
    assert len(allowed) == 1
    assert allowed[0] <= 0.2


@pytest.fixture
def allowed(monkeypatch):
    """Return how many seconds each connect was given."""
    connect, seconds = FakeDriver.connect, []

    def note_and_connect(driver, params, timeout):
        seconds.append(timeout)
        return connect(driver, params, timeout)

    monkeypatch.setattr(FakeDriver, "connect", note_and_connect)
    return seconds


def test_inline_upkeep_fills_up_again_when_connections_were_closed(fake, make_pool):
    pool = make_pool(min_size=2, upkeep="inline", max_idle=None, max_lifetime=None)
    pool.putconn(pool.getconn())
    assert fake.open == 2
    pool.drain()
    pool.putconn(pool.getconn())
    pool.putconn(pool.getconn())
    assert fake.open == 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_importing_opens_no_file():
    """What daemonises closes all it finds open: a descriptor of ours would become another's."""
    code = (
        "import os\nbefore = len(os.listdir('/proc/self/fd'))\nimport multipool\n"
        "assert len(os.listdir('/proc/self/fd')) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
