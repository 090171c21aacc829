"""Cases 9, 12 and 16: the end of a pool and of the interpreter."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
from hard_cases.outside import ask
from support import Thread, until

from multipool import Pool, PoolClosed, caretaker, pools
from multipool.testing.proxy import Proxy


def test_close_answers_those_who_wait_at_once_and_lets_borrowers_finish(make_pool, outside):
    pool = make_pool()
    first, second = pool.getconn(), pool.getconn()
    pool.putconn(second)
    idle_and_lent = outside.pids()
    second = pool.getconn()
    waiting = Thread(lambda: pool.getconn(timeout=20))
    until(lambda: pool.stats().waiting)
    closing = Thread(lambda: pool.close(timeout=20))
    with pytest.raises(PoolClosed, match="while waiting"):
        waiting.outcome(1)
    assert ask(first, "select 1") == [(1,)]
    first.close()
    second.close()
    closing.outcome()
    until(lambda: not outside.pids() & idle_and_lent)


def test_close_ends_idle_connections_before_it_returns(make_pool, outside):
    pool = make_pool()
    for conn in [pool.getconn(), pool.getconn()]:
        pool.putconn(conn)
    pool.close()
    assert outside.pids() == set()


def test_what_comes_back_after_close_has_given_up_is_closed(make_pool, outside):
    pool = make_pool()
    conn = pool.getconn()
    pool.close(timeout=0.05)
    assert len(outside.pids()) == 1
    conn.close()
    until(lambda: not outside.pids())


def test_the_timeout_holds_for_the_whole_of_close(make_pool, params):
    """Though a borrower keeps its connection and the server does not answer goodbyes."""
    with Proxy(params) as proxy:
        pool = make_pool(proxy.params, max_size=4)
        conns = [pool.getconn() for _ in range(4)]
        for conn in conns[1:]:
            pool.putconn(conn)
        proxy.silence()
        started = time.monotonic()
        pool.close(timeout=0.5)
        assert time.monotonic() - started < 1
        proxy.resume()
        pool.putconn(conns[0])


def test_what_comes_back_at_the_interpreters_end_waits_for_no_server_to_hang_up(
    make_pool, outside, driver, monkeypatch
):
    waited = []
    monkeypatch.setattr(caretaker, "await_end", lambda fd, patience: waited.append(fd))
    pool = make_pool(max_size=2)
    pool.putconn(pool.getconn())
    conn = pool.getconn()
    pool._let_go()
    pool.putconn(conn)
    until(lambda: not outside.pids() and pool.stats().size == 0)
    assert waited == []


def test_dropping_the_last_reference_closes_a_pool_and_pools_forgets_it(make_pool, outside, driver):
    pool = Pool({**outside.params, "application_name": outside.name}, driver=driver, name="dropped")
    pool.putconn(pool.getconn())
    assert "dropped" in [pool.name for pool in pools()]
    gone = weakref.ref(pool)
    del pool
    until(lambda: gone() is None)  # upkeep may be looking at it just now
    until(lambda: not outside.pids())
    assert "dropped" not in [pool.name for pool in pools()]


def test_a_pool_in_a_cycle_of_references_is_closed_when_that_is_collected(outside, driver, upkeep):
    pool = Pool({**outside.params, "application_name": outside.name}, driver=driver, upkeep=upkeep)
    pool.putconn(pool.getconn())
    knot = [pool]
    knot.append(knot)
    del pool, knot
    gc.collect()
    until(lambda: not outside.pids())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc to count in")
def test_a_dropped_pool_leaves_no_file_open(make_pool, outside, driver, upkeep):
    make_pool()  # whatever all pools share is there now

    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    def use_and_drop():
        pool = Pool(outside.params, driver=driver, upkeep=upkeep)
        pool.putconn(pool.getconn())

    use_and_drop()
    before = count()
    for _ in range(10):
        use_and_drop()
    gc.collect()
    until(lambda: count() <= before)


@pytest.mark.parametrize(
    "scene", ["idle", "leased", "in a cycle", "waiting", "everything", "uncaught"]
)
def test_the_interpreter_exits_within_a_second_and_without_a_word(
    scene, driver, upkeep, outside, dsn
):
    script = Path(__file__).with_name("exiting.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", script, scene, driver.name, upkeep, dsn],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    last_words, _, left_at = done.stdout.rpartition("\n")
    assert last_words == "bye"
    assert time.time() - float(left_at) < 1
    if scene == "uncaught":
        assert done.stderr.endswith("ZeroDivisionError: of the user's own\n")
        assert done.stderr.count("Traceback") == 1
    else:
        assert (done.returncode, done.stderr) == (0, "")
