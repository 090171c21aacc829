"""A server that goes away and comes back, one that is full, one that refuses."""

import time
from traceback import extract_tb

import pytest
from support import Thread, until

from multipool import PoolClosed, PoolTimeout
from multipool.testing.fake import Raise, Sleep, errors
from multipool.upkeep import Thread as UpkeepThread


def _connected(pool):
    pool.putconn(pool.getconn())


def _stop(fake, pool):
    fake.stop()
    until(lambda: pool.stats().size == 0)


def test_a_pool_that_never_had_a_connection_fails_at_once(fake, make_pool):
    fake.stop()
    with pytest.raises(errors.OperationalError, match="connection refused"):
        make_pool().getconn()
    assert fake.calls["connect"] == 1


def test_a_refusal_is_raised_at_once_and_not_tried_again(fake, make_pool):
    pool = make_pool()
    _connected(pool)
    pool.drain()
    fake.always("connect", Raise(errors.OperationalError("password authentication", "28P01")))
    with pytest.raises(errors.OperationalError, match="password"):
        pool.getconn()
    assert fake.calls["connect"] == 2
    until(lambda: pool.stats().size == 0)


def test_an_outage_is_waited_out_by_one_that_asks_and_many_that_wait(fake, make_pool):
    pool = make_pool(max_size=8)
    _connected(pool)
    _stop(fake, pool)
    before = fake.calls["connect"]

    def work():
        with pool.connection() as conn:
            return conn.backend_pid

    threads = [Thread(work) for _ in range(30)]
    time.sleep(1)
    # Those that were about to connect when it began, and one every quarter of a second since.
    assert fake.calls["connect"] - before <= 8 + 10
    fake.start()
    for thread in threads:
        assert thread.outcome(5)
    assert fake.peak <= 8


def test_one_who_stands_by_needs_no_second_place_when_the_outage_ends(fake, make_pool):
    """It is in the line for a connection, and may be given room for one by the end of it."""
    pool = make_pool(max_size=2)
    _connected(pool)
    _stop(fake, pool)
    standing_by = Thread(lambda: pool.getconn(timeout=5))
    until(lambda: pool.stats().waiting)
    fake.start()
    pool._inner.places.recovered()  # as when another thread has connected
    conn = standing_by.outcome()
    conn.cursor().execute("select 1")
    pool.putconn(conn)
    assert (pool.stats().size, pool.stats().idle) == (1, 1)


def test_what_is_kept_of_an_outage_keeps_no_lease_alive(fake, make_pool):
    """The thread that met it borrows later on, in the frames that the error came through."""
    pool = make_pool(max_size=2)
    _connected(pool)

    def refuse(call):
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError as error:
            raise errors.OperationalError("connection refused") from error

    pool.drain()
    until(lambda: pool.stats().size == 0)
    fake.once("connect", refuse)
    outages = []

    def borrow():
        fake.once("connect", lambda call: outages.append(pool._inner.places.outage))
        pool.getconn(timeout=5)

    Thread(borrow).outcome()
    assert outages[0] is not None
    assert pool.stats().lost == 1


def test_each_of_those_who_wait_in_vain_has_an_error_of_its_own(make_pool):
    """Whoever raises one writes its traceback and its context into it."""
    pool = make_pool(max_size=1)
    conn = pool.getconn()

    def borrow(number):
        try:
            raise LookupError(number)
        except LookupError:
            try:
                pool.getconn()
            except errors.OperationalError as error:
                error.add_note(str(number))
                return error

    threads = [Thread(lambda number=number: borrow(number)) for number in range(3)]
    until(lambda: pool.stats().waiting == 3)
    told = errors.OperationalError("too many", "53300")
    told.__cause__ = ConnectionError()
    told.add_note("opening")
    pool._inner.places.refuse(told)
    for number, thread in enumerate(threads):
        error = thread.outcome()
        assert (type(error), error.args, error.sqlstate) == (type(told), told.args, "53300")
        context = error.__context__
        # The pool's own, where nobody waited yet, comes in between.
        assert f"LookupError({number})" in map(repr, [context, context.__context__])
        assert error.__cause__ is told.__cause__
        assert error.__notes__ == ["opening", str(number)]
        frames = [frame.name for frame in extract_tb(error.__traceback__)]
        assert frames.count("borrow") == 1
    assert told.__traceback__ is None
    pool.putconn(conn)


def test_an_error_that_cannot_be_copied_is_given_to_all_who_wait(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()

    class Stubborn(Exception):
        def __init__(self, *, reason):
            super().__init__(reason)

    threads = [Thread(pool.getconn) for _ in range(2)]
    until(lambda: pool.stats().waiting == 2)
    pool._inner.places.refuse(Stubborn(reason="no"))
    for thread in threads:
        with pytest.raises(Stubborn, match="no"):
            thread.outcome()
    pool.putconn(conn)


def test_the_timeout_holds_in_an_outage_and_its_error_says_why(fake, make_pool):
    pool = make_pool(max_size=1)
    _connected(pool)
    _stop(fake, pool)
    asking = Thread(lambda: pool.getconn(timeout=0.3))
    until(lambda: pool._inner.places.outage)
    with pytest.raises(PoolTimeout, match=r"has not accepted a connection for .*refused"):
        pool.getconn(timeout=0.1)
    with pytest.raises(errors.OperationalError):
        asking.outcome()


def test_a_full_server_is_no_failure_while_one_of_our_own_comes_back(fake, make_pool):
    fake.max_connections = 1
    pool = make_pool(max_size=5)
    conn = pool.getconn()
    waiting = Thread(pool.getconn)
    until(lambda: pool._inner.places.outage)
    pool.putconn(conn)
    assert waiting.outcome() is conn


def test_reconnect_failed_is_called_once_in_an_outage_that_lasts(fake, make_pool):
    called = []
    pool = make_pool(reconnect_timeout=0.1, reconnect_failed=called.append)
    _connected(pool)
    _stop(fake, pool)
    with pytest.raises(errors.OperationalError):
        pool.getconn(timeout=0.7)
    until(lambda: called)
    assert called == [pool]


def test_two_moments_without_an_answer_are_no_outage_that_lasts(fake, make_pool):
    """Nobody had asked in between, nor needed a connection."""
    called = []
    pool = make_pool(reconnect_timeout=0.3, reconnect_failed=called.append)
    _connected(pool)
    pool.drain()
    until(lambda: pool.stats().size == 0)
    for _ in range(2):
        fake.once("connect", Raise(errors.OperationalError("timed out")))
        with pytest.raises(PoolTimeout, match=r"for 0\.0 s"):
            pool.getconn(timeout=0)
        time.sleep(1.1)
    assert not called


def test_a_killed_idle_connection_is_replaced_without_an_error(fake, make_pool):
    pool = make_pool()
    conns = [pool.getconn() for _ in range(10)]
    for conn in conns:
        pool.putconn(conn)
    for pid in fake.pids:
        fake.kill(pid)
    until(lambda: pool.stats().idle == 0)
    for conn in [pool.getconn() for _ in range(10)]:
        conn.cursor().execute("select 1")
        pool.putconn(conn)


def test_a_killed_idle_connection_is_noticed_at_checkout_by_inline_upkeep(fake, make_pool):
    pool = make_pool(upkeep="inline", check_after=0)
    conns = [pool.getconn() for _ in range(10)]
    for conn in conns:
        pool.putconn(conn)
    for pid in fake.pids:
        fake.kill(pid)
    for conn in [pool.getconn() for _ in range(10)]:
        conn.cursor().execute("select 1")
        pool.putconn(conn)


def test_a_notification_is_no_death_and_is_not_lost(fake, make_pool):
    for upkeep in ("thread", "inline"):
        pool = make_pool(upkeep=upkeep, check_after=0, reset="never")
        with pool.connection() as conn:
            conn.cursor().execute("listen news")
        time.sleep(0.35)  # until the clock sleeps, so that the socket is looked at
        fake.notify("news", upkeep)
        again = pool.getconn()
        assert again is conn
        pool.driver.drain(again)  # upkeep may have done so before
        assert again.notifies == [("news", upkeep)]
        pool.putconn(again)


def test_whoever_asks_a_server_that_is_away_notices_that_the_pool_is_closed(fake, make_pool):
    pool = make_pool(timeout=30)
    _connected(pool)
    _stop(fake, pool)
    asking = Thread(pool.getconn)
    until(lambda: pool._inner.places.outage)
    pool.close(timeout=0.1)
    with pytest.raises(PoolClosed):
        asking.outcome(2)


def test_what_fails_to_fill_up_is_tried_again_by_one_and_later(fake, make_pool):
    """A wrong password that many try for ever locks an account."""
    fake.always("connect", Raise(errors.OperationalError("wrong password", "28P01")))
    pool = make_pool(min_size=4)
    until(lambda: pool.stats().connect_errors == 4)
    time.sleep(0.6)
    assert fake.calls["connect"] == 4
    with pytest.raises(errors.OperationalError, match="wrong password"):
        pool.wait()


def test_drain_fills_up_at_once_what_could_not_be_filled_up_before(fake, make_pool):
    """It is called where the reason is mended: new credentials, another server."""
    fake.always("connect", Raise(errors.OperationalError("wrong password", "28P01")))
    pool = make_pool(min_size=3)
    until(lambda: pool.stats().connect_errors == 3)
    pool._inner.filling.next_try += 60  # as it is after some more
    fake.clear("connect")
    pool.drain()
    until(lambda: pool.stats().idle == 3, 4)


def test_drain_has_what_could_not_be_filled_up_tried_by_one_alone(fake, make_pool):
    fake.always("connect", Raise(errors.OperationalError("wrong password", "28P01")))
    pool = make_pool(min_size=4)
    until(lambda: pool.stats().connect_errors == 4)
    pool.drain()
    until(lambda: pool.stats().connect_errors == 5)
    time.sleep(0.5)
    assert fake.calls["connect"] == 5


def test_upkeep_sleeps_when_nobody_comes_after_an_outage(fake, make_pool, rounds):
    pool = make_pool()
    _connected(pool)
    _stop(fake, pool)
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.1)
    before = rounds()
    pool.drain()  # a reason to look at it
    time.sleep(0.5)
    assert 1 <= rounds() - before < 10


def test_upkeep_sleeps_when_a_borrower_has_opened_what_could_not_be_filled_up(
    fake, make_pool, rounds
):
    fake.stop()
    pool = make_pool(min_size=1)
    until(lambda: pool.stats().connect_errors == 1)
    fake.start()
    _connected(pool)
    time.sleep(1.1)  # until it would be tried again
    before = rounds()
    pool.drain()
    time.sleep(0.5)
    assert 1 <= rounds() - before < 10


def test_what_fails_to_fill_up_is_filled_up_when_the_server_is_there(fake, make_pool):
    fake.stop()
    pool = make_pool(min_size=3)
    until(lambda: pool.stats().connect_errors == 3)
    fake.start()
    until(lambda: pool.stats().size == 3, 4)


def test_what_an_outage_kept_from_being_filled_up_is_so_after_it(fake, make_pool):
    pool = make_pool(min_size=2, timeout=0.1)
    pool.wait()
    _stop(fake, pool)
    with pytest.raises(PoolTimeout):
        pool.getconn()
    fake.start()
    until(lambda: pool.stats().idle == 2, 10)


def test_whose_timeout_leaves_no_time_to_connect_in_makes_no_outage_for_all(fake, make_pool):
    pool = make_pool()
    _connected(pool)
    pool.drain()
    until(lambda: pool.stats().size == 0)
    fake.once("connect", Sleep(0.3))
    with pytest.raises(PoolTimeout, match=r"in time: 0\.0\d\d s were left to connect in; 0 of"):
        pool.getconn(timeout=0.05)
    assert pool._inner.places.outage is None
    assert (pool.stats().size, pool.stats().timeouts) == (0, 1)
    _connected(pool)


def test_what_fills_up_in_an_outage_is_nobody_who_waits_or_gives_up(fake, make_pool):
    pool = make_pool(min_size=1, max_size=2, timeout=0.1)
    _connected(pool)
    fake.stop()
    until(lambda: pool._inner.waiting)
    assert pool.stats().waiting == 0
    with pytest.raises(PoolTimeout, match="opened or closed, 1 waiting"):
        pool.getconn()
    until(lambda: pool._inner.filling.error is not None, 10)
    assert pool.stats().timeouts == 1


@pytest.fixture
def rounds(monkeypatch):
    """Return how often the thread has looked at all pools."""
    look, looks = UpkeepThread._round, []

    def note_and_look(thread):
        looks.append(thread)
        return look(thread)

    monkeypatch.setattr(UpkeepThread, "_round", note_and_look)
    return lambda: len(looks)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_a_connection_of_min_size_that_nobody_used_is_checked_like_any_other(
    fake, make_pool, upkeep
):
    def check(conn):
        conn.cursor().execute("select 1")

    pool = make_pool(min_size=2, upkeep=upkeep, check=check)
    pool.wait()
    for pid in fake.pids:
        fake.kill(pid)
    conn = pool.getconn()
    conn.cursor().execute("select 1")
    assert conn.backend_pid > 2
    pool.putconn(conn)
