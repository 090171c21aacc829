"""What upkeep's thread, and inline upkeep, see to besides lifetimes."""

import logging
import os
import threading
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
    # By number, since what earlier tests left may be collected meanwhile, and closed.
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    pool = make_pool(upkeep="inline")
    assert {path.name for path in Path("/proc/self/fd").iterdir()} <= before
    pool.putconn(pool.getconn())


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
    os.close(failed._epoll.fileno())
    failed.ring()
    until(lambda: thread._sockets is not failed)
    del conn
    pool.putconn(pool.getconn())  # whoever is lent one next starts the thread again
    fake.kill(pid)
    until(lambda: pool.stats().size == 0)
