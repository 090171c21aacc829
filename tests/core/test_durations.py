"""How long connecting, waiting and using took: the totals, and how they are spread."""

import time

import pytest
from support import Thread, until

from multipool import listening
from multipool.stats import BOUNDS
from multipool.testing.fake import Sleep

NONE = (0,) * (len(BOUNDS) + 1)


@pytest.fixture
def heard():
    """What a listener hears, as ``(pool, what, seconds)``."""
    told = []

    def listener(*values):
        told.append(values)

    listening.listen(listener)
    yield told
    listening.unlisten(listener)


def place(seconds):
    """Where a duration belongs among the counts, found the slow way."""
    return sum(seconds > bound for bound in BOUNDS)


def test_each_connect_is_counted_where_its_duration_belongs(fake, make_pool, heard):
    fake.once("connect", Sleep(0.06))
    pool = make_pool()
    pool.putconn(pool.getconn())
    stats = pool.stats()
    assert stats.connect_times == tuple(
        int(index == place(stats.connect_time)) for index in range(len(NONE))
    )
    assert heard == [("shop", "connect", stats.connect_time)]
    assert stats.connect_time >= 0.06


def test_only_those_who_stood_in_line_have_waited(make_pool, heard):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    waiting = Thread(lambda: pool.putconn(pool.getconn()))
    until(lambda: pool.stats().waiting)
    pool.putconn(conn)
    waiting.outcome()
    stats = pool.stats()
    assert sum(stats.wait_times) == stats.waited == 1
    assert [one for one in heard if one[1] == "wait"] == [("shop", "wait", stats.wait_time)]


@pytest.mark.parametrize("options", [{}, {"strict": True}, {"upkeep": "inline"}])
def test_with_use_time_every_lease_is_measured_however_it_begins_and_ends(
    make_pool, heard, options
):
    """Found idle or just opened, returned by block, by hand, in a transaction."""
    pool = make_pool(use_time=True, **options)
    for _ in range(2):
        with pool.connection():
            time.sleep(0.03)
    for commit in (True, False):
        conn = pool.getconn()
        conn.cursor().execute("select 1")
        if commit:
            conn.commit()
        time.sleep(0.03)
        conn.close()
    used = [seconds for _, what, seconds in heard if what == "use"]
    assert len(used) == sum(pool.stats().use_times) == 4
    assert all(seconds >= 0.03 for seconds in used)
    assert pool.stats().use_time == pytest.approx(sum(used))


def test_without_use_time_no_lease_is_measured(make_pool, heard):
    pool = make_pool()
    for _ in range(2):
        with pool.connection():
            pass
    assert pool.stats().use_times == ()
    assert pool.stats().as_dict()["db.client.connection.use_time"] is None
    assert not [one for one in heard if one[1] == "use"]


def test_a_listener_that_raises_harms_nobody_and_is_logged(make_pool, heard, caplog):
    def broken(*_):
        raise ValueError("secret")

    listening.listen(broken)
    try:
        with make_pool().connection():
            pass
    finally:
        listening.unlisten(broken)
    assert "pool 'shop': a listener failed: ValueError" in caplog.text
    assert "secret" not in caplog.text
    assert len(heard) == 1
