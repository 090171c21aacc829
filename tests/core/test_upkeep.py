"""What upkeep's thread, and inline upkeep, see to besides lifetimes."""

import gc
import logging
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support import until

from multipool import upkeep
from multipool.clock import clock
from multipool.sockets import SocketWatch

linux = pytest.mark.skipif(SocketWatch is None, reason="watches sockets on Linux only")


def test_a_connection_that_was_opened_while_the_clock_slept_wakes_it(make_pool):
    pool = make_pool()
    pool.putconn(pool.getconn())
    pool.drain()
    until(lambda: clock.asleep and not pool.stats().size, 10)

    def awake():
        with pool.connection():
            return not clock.asleep

    until(awake)


@linux
def test_inline_upkeep_opens_no_descriptor_before_the_first_connection(make_pool):
    """What daemonises closes every one that it finds."""
    gc.collect()  # what earlier tests left would be closed meanwhile
    before = watches()
    pool = make_pool(upkeep="inline")
    assert watches() <= before
    with pool.connection():
        assert watches() - before


def watches():
    """Return the descriptors by which sockets are watched; other threads' are of other kinds."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if "event" in str(path.readlink()):
                found.add(path.name)
    return found


@linux
def test_two_threads_that_open_the_first_connections_inline_watch_with_the_same_sockets(
    fake, make_pool, monkeypatch
):
    """Of two watches one would be closed, perhaps the one that every checkout asks."""
    pool = make_pool(upkeep="inline")
    other = threading.Thread(target=lambda: pool.putconn(pool.getconn()))
    makes = []

    def make(**options):
        makes.append(options)
        if len(makes) == 1:
            other.start()
            other.join()
        return SocketWatch(**options)

    monkeypatch.setattr(upkeep, "SocketWatch", make)
    conn = pool.getconn()
    assert fake.opened == 2
    pool.putconn(conn)
    for pid in fake.pids:
        fake.kill(pid)
    with pool.connection() as conn:
        assert conn.backend_pid in fake.pids


@linux
def test_inline_a_dead_connection_that_is_lent_is_told_of_once(fake, make_pool, monkeypatch):
    """Not by every call until it is given back, each of which would tend the pool."""
    pool = make_pool(upkeep="inline")
    lost = pool.getconn()
    pool.putconn(pool.getconn())
    fake.kill(lost.backend_pid)
    pool.putconn(pool.getconn())
    told = []
    monkeypatch.setattr(pool._inner.upkeep, "notice", lambda: told.append(1) or [])
    pool.putconn(pool.getconn())
    assert not told
    pool.putconn(lost)
    assert pool.stats().size == 1


def test_upkeep_for_which_there_was_no_thread_begins_with_a_later_checkout(make_pool, monkeypatch):
    """Else nobody would ever notice the end of an idle connection."""
    pool = make_pool()
    pool.putconn(pool.getconn())
    until(lambda: clock.asleep, 10)
    with monkeypatch.context() as patch:
        patch.setattr(upkeep.thread, "_running", False)
        patch.setattr(upkeep, "spawn", lambda *_: False)
        pool.putconn(pool.getconn())
        assert clock.asleep
    pool.putconn(pool.getconn())
    assert not clock.asleep


@linux
def test_after_a_failure_upkeep_begins_anew_and_watches_what_is_open(fake, make_pool, caplog):
    caplog.set_level(logging.CRITICAL + 1, logger="multipool")  # it says so, with a traceback
    pool = make_pool()
    with pool.connection() as conn:
        pid = conn.backend_pid
    thread = upkeep.thread
    failed = thread._sockets
    failed._epoll.close()  # by number it would be closed twice, and be another file by then
    failed.ring()
    until(lambda: thread._sockets is not failed)
    del conn
    pool.putconn(pool.getconn())  # whoever is lent one next starts the thread again
    fake.kill(pid)
    until(lambda: pool.stats().size == 0)


@linux
def test_upkeep_hears_what_a_descriptor_tells_also_when_it_has_begun_anew(make_pool, caplog):
    caplog.set_level(logging.CRITICAL + 1, logger="multipool")
    pool = make_pool()
    pool.putconn(pool.getconn())
    thread = upkeep.thread
    ear, mouth = os.pipe()
    heard: list[bytes] = []
    thread.hear(ear, lambda: heard.append(os.read(ear, 9)))
    try:
        os.write(mouth, b"a")
        until(lambda: heard == [b"a"])
        failed = thread._sockets
        failed._epoll.close()
        failed.ring()
        until(lambda: thread._sockets is not failed)
        os.write(mouth, b"b")
        pool.putconn(pool.getconn())
        until(lambda: heard == [b"a", b"b"])
        thread.deafen(ear)
        os.write(mouth, b"c")
        assert os.read(ear, 9) == b"c"
    finally:
        thread.deafen(ear)
        os.close(ear)
        os.close(mouth)


def test_a_lease_begins_when_upkeep_first_sees_it_and_then_stays_that_old(make_pool):
    """The hot path writes no time down."""
    pool = make_pool()
    conn = pool.getconn()
    slot = conn._multipool_slot
    upkeep.thread._lock.acquire()  # without which it looks at no pool
    try:
        slot.serial += 1  # as the hot path does
        before, now = slot.since, clock.now
        slot.date(now - 40)
        slot.date(now - 20)
        assert slot.since == now - 40 < before <= now
    finally:
        upkeep.thread._lock.release()
    pool.putconn(conn)


def test_leases_that_began_while_the_clock_was_being_stopped_are_dated(make_pool):
    pool = make_pool(max_size=2)
    conns = [pool.getconn(), pool.getconn()]
    slots = [conn._multipool_slot for conn in conns]
    for slot in slots:
        slot.serial += 1  # as the hot path does, behind upkeep's back
    upkeep.thread._doze()
    assert [slot._dated for slot in slots] == [slot.serial for slot in slots]
    for conn in conns:
        pool.putconn(conn)


@pytest.mark.parametrize("options", [{"upkeep": "inline"}, {"trace": "full"}])
def test_where_a_lease_cannot_wait_for_a_tick_it_is_dated_at_once(make_pool, options):
    pool = make_pool(**options)
    for _ in range(3):
        for lend in (pool.getconn, lambda: pool.connection().__enter__()):
            conn = lend()
            slot = conn._multipool_slot
            assert slot._dated == slot.serial
            pool.putconn(conn)
