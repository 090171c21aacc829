"""Hooks, what becomes of a session, and single-use leases."""

import gc

import pytest
from support import Thread, until

from multipool import ConnectionNotLeased, Pool, PoolError, refusing
from multipool.driver import CLIENT, IDLE
from multipool.testing.fake import FakeDriver


def test_the_hooks_are_called_in_the_order_of_a_connections_life(fake, make_pool):
    calls = []

    def note(name):
        return lambda conn: calls.append((name, conn.backend_pid))

    names = ("configure", "on_connect", "on_checkout", "on_return", "on_close")
    pool = make_pool(**{name: note(name) for name in names})
    pool.putconn(pool.getconn())
    pool.putconn(pool.getconn())
    pool.close()
    assert calls == [
        ("configure", 1),
        ("on_connect", 1),
        ("on_checkout", 1),
        ("on_return", 1),
        ("on_checkout", 1),
        ("on_return", 1),
        ("on_close", 1),
    ]


def test_an_error_in_on_checkout_reaches_the_caller_and_the_connection_goes_back(fake, make_pool):
    errors = [ZeroDivisionError(), None, ZeroDivisionError()]

    def on_checkout(conn):
        conn.cursor().execute("select 1")  # what it began is rolled back
        error = errors.pop()
        if error:
            raise error
        conn.rollback()

    pool = make_pool(on_checkout=on_checkout, max_size=1)
    with pytest.raises(ZeroDivisionError):
        pool.getconn()
    conn = pool.getconn()
    assert conn.status == IDLE
    pool.putconn(conn)
    with pytest.raises(ZeroDivisionError):
        pool.getconn()
    assert (pool.stats().idle, fake.opened) == (1, 1)


def test_a_driver_is_asked_whether_it_is_behind_where_the_lease_touched_the_connection():
    asked = []
    driver = type("Bookkeeper", (FakeDriver,), {"is_behind": lambda _, conn: asked.append(conn)})()
    with Pool("", driver=driver, max_size=1) as pool:
        with pool.connection() as conn:
            conn.cursor().execute("select 1")
            conn.touch(CLIENT)
        assert asked == [conn]


def test_an_error_in_on_return_closes_the_connection_and_reaches_nobody(fake, make_pool, caplog):
    def on_return(conn):
        raise ZeroDivisionError

    pool = make_pool(on_return=on_return)
    pool.putconn(pool.getconn())
    until(lambda: fake.open == 0)
    assert "ZeroDivisionError" in caplog.text


def test_an_error_in_on_close_is_logged(fake, make_pool, caplog):
    def on_close(conn):
        raise ZeroDivisionError

    pool = make_pool(on_close=on_close)
    pool.putconn(pool.getconn())
    pool.close()
    assert fake.open == 0
    assert "on_close failed: ZeroDivisionError" in caplog.text


def test_a_session_that_was_not_touched_is_not_reset(fake, make_pool):
    pool = make_pool()
    for _ in range(3):
        with pool.connection() as conn:
            conn.cursor().execute("select 1")
    assert fake.calls["execute"] == 3


def test_a_session_that_was_touched_is_reset_to_what_configure_made_of_it(make_pool):
    def configure(conn):
        conn.autocommit = True
        conn.cursor().execute("set TimeZone to 'Europe/Vienna'")

    pool = make_pool(configure=configure)
    with pool.connection() as conn:
        conn.cursor().execute("set TimeZone to 'Asia/Tokyo'")
        conn.cursor().execute("set search_path to 'x'")
        conn.autocommit = False
    with pool.connection() as again:
        assert again is conn
        assert conn.settings["TimeZone"] == "Europe/Vienna"
        assert "search_path" not in conn.settings
        assert conn.autocommit


def test_what_only_the_client_keeps_is_put_back_without_asking_the_server(fake, make_pool):
    pool = make_pool()
    with pool.connection() as conn:
        conn.autocommit = True
    assert not conn.autocommit
    assert fake.round_trips == 0


def test_reset_always_resets_each_time(fake, make_pool):
    pool = make_pool(reset="always")
    pool.putconn(pool.getconn())
    pool.putconn(pool.getconn())
    assert fake.calls["execute"] == 2


def test_reset_never_leaves_the_session_as_it_is(make_pool):
    pool = make_pool(reset="never")
    with pool.connection() as conn:
        conn.autocommit = True
        conn.cursor().execute("set TimeZone to 'Asia/Tokyo'")
    assert conn.settings["TimeZone"] == "Asia/Tokyo"
    assert conn.autocommit


def test_reset_may_be_sql_text(fake, make_pool):
    pool = make_pool(reset="reset all")
    pool.putconn(pool.getconn())
    assert fake.calls["execute"] == 1


def test_a_query_that_was_interrupted_half_way_is_not_handed_on(fake, make_pool, caplog):
    pool = make_pool()
    conn = pool.getconn()
    conn._running = True  # as an interrupt leaves it, before the answer was read
    pool.putconn(conn)
    until(lambda: fake.open == 0)
    assert "interrupted" in caplog.text


def test_a_stale_return_by_another_thread_is_refused_once_somebody_else_has_borrowed(make_pool):
    pool = make_pool(max_size=1)
    mine = pool.getconn()
    pool.putconn(mine)
    theirs = Thread(pool.getconn).outcome()
    assert theirs is mine
    with pytest.raises(ConnectionNotLeased, match="lease has ended"):
        pool.putconn(mine)
    assert pool.stats().used == 1
    # A thread that never had it may return it: it was handed on.
    Thread(lambda: pool.putconn(theirs)).outcome()


def test_a_strict_lease_ends_with_its_return(make_pool):
    pool = make_pool(strict=True)
    conn = pool.getconn()
    cursor = conn.cursor()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)
    conn.rollback()
    pool.putconn(conn)
    other = pool.getconn()
    for stale in (
        lambda: conn.cursor(),
        conn.close,
        lambda: cursor.execute("select 1"),
        lambda: pool.putconn(conn),
    ):
        with pytest.raises(ConnectionNotLeased):
            stale()
    with other.cursor() as cursor:
        assert cursor.execute("select 1")
    assert "test_hooks_and_session" in refusing.whole_state(pool._inner)
    other.close()


def test_a_strict_with_block_works_like_any_other(fake, make_pool):
    pool = make_pool(strict=True)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
    assert fake.calls["commit"] == 1
    with pytest.raises(ConnectionNotLeased):
        conn.commit()


def test_words_of_psycopg_pool_that_mean_nothing_here_are_accepted_with_a_warning(fake):
    with pytest.warns(UserWarning, match="num_workers has no effect"):
        Pool({}, driver=FakeDriver(fake), num_workers=3)
    with pytest.warns(UserWarning, match="open has no effect"):
        Pool({}, driver=FakeDriver(fake), open=True)


def test_a_strict_lease_may_end_inside_its_block(make_pool):
    pool = make_pool(strict=True)
    with pool.connection() as conn:
        conn.close()
    assert pool.stats().idle == 1


def test_a_strict_cursor_that_returns_itself_returns_the_proxy(make_pool):
    with make_pool(strict=True).connection() as conn:
        cursor = conn.cursor()
        assert cursor.execute("select 1") is cursor
    with pytest.raises(ConnectionNotLeased):
        cursor.fetchone()


def test_a_subclass_of_the_pool_may_be_strict(fake):
    class Mine(Pool):
        pass

    with Mine({}, driver=FakeDriver(fake), strict=True) as pool:
        conn = pool.getconn()
        conn.close()
        with pytest.raises(ConnectionNotLeased):
            conn.commit()
        assert isinstance(pool, Mine)


def test_on_checkout_may_not_leave_a_transaction_open(fake, make_pool):
    pool = make_pool(on_checkout=lambda conn: conn.cursor().execute("select 1"))
    with pytest.raises(PoolError, match="on_checkout left a transaction open"):
        pool.getconn()
    assert (pool.stats().idle, fake.calls["rollback"]) == (1, 1)


def test_a_check_that_always_fails_is_told(make_pool, caplog):
    def check(conn):
        conn.cursor().execute("selekt")

    pool = make_pool(check=check)
    pool.putconn(pool.getconn())
    pool.putconn(pool.getconn())
    assert "failed its check and is replaced: ProgrammingError" in caplog.text


def test_a_lost_lease_is_told_with_the_place_where_it_was_taken(make_pool, caplog):
    pool = make_pool()
    conn = pool.getconn()
    del conn
    gc.collect()
    pool.putconn(pool.getconn())
    pool.drain()  # upkeep has a look
    until(lambda: "a lease was lost, checked out at" in caplog.text)
    assert "test_hooks_and_session.py" in caplog.text


def test_a_lease_is_ended_by_its_number_from_any_thread_and_only_once(make_pool):
    pool = make_pool(max_size=1)
    mine = pool.getconn()
    slot, serial = mine._multipool_slot, mine._multipool_slot.serial
    assert Thread(lambda: slot.end(mine, serial)).outcome()
    assert not slot.end(mine, serial)
    theirs = Thread(pool.getconn).outcome()
    assert not slot.end(theirs, serial)
    assert slot.end(theirs, serial + 1)


@pytest.mark.parametrize(("answer", "asked"), [(None, True), (True, True), (False, False)])
def test_the_driver_looks_for_what_configure_set_unless_that_says_nothing(
    make_pool, monkeypatch, answer, asked
):
    looked = []

    def remember(driver, conn, configured=False):
        looked.append(configured)

    monkeypatch.setattr(FakeDriver, "remember", remember)
    pool = make_pool(configure=lambda conn: answer)
    pool.putconn(pool.getconn())
    assert looked == [asked]
