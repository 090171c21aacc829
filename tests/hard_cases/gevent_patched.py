"""A program under gevent, patched before anything else is imported; see test_gevent.py."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402  # what comes before that would not be patched
import sys  # noqa: E402

import gevent  # noqa: E402
from hard_cases.outside import ask  # noqa: E402

from multipool import Pool, PoolTimeout  # noqa: E402


def times_out(pool: Pool) -> bool:
    """Tell whether a checkout that waits for a moment raises `PoolTimeout`."""
    try:
        pool.getconn(timeout=0.05)
    except PoolTimeout:
        return True
    return False


def main(driver: str, upkeep: str, dsn: str) -> None:
    """Let greenlets share a pool, kill those that wait, lose a lease; the pool stays whole."""
    logging.getLogger("multipool").setLevel(logging.ERROR)  # one lease will be lost
    pool = Pool(dsn, driver=driver, upkeep=upkeep, max_size=2, max_idle=0.2)
    turns = dict.fromkeys(range(6), 0)

    def work(number: int) -> None:
        for _ in range(20):
            with pool.connection(timeout=10) as conn:
                assert ask(conn, f"select {number}") == [(number,)]
                gevent.sleep(0)
                turns[number] += 1

    gevent.joinall([gevent.spawn(work, number) for number in turns], raise_error=True)
    assert set(turns.values()) == {20}

    held = [pool.getconn(), pool.getconn()]
    waiting = [gevent.spawn(pool.getconn) for _ in range(3)]
    gevent.sleep(0.05)
    assert pool.stats().waiting == 3
    gevent.killall(waiting)
    assert pool.stats().waiting == 0
    assert gevent.spawn(times_out, pool).get()
    while held:
        pool.putconn(held.pop())

    gevent.spawn(pool.getconn).join()  # its result goes with it
    conns = [pool.getconn(timeout=5), pool.getconn(timeout=5)]
    assert [ask(conn, "select 1") for conn in conns] == [[(1,)]] * 2
    for conn in conns:
        pool.putconn(conn)
    if upkeep == "thread":  # max_idle passes, though nobody asks
        with gevent.Timeout(10):
            while pool.stats().size:
                gevent.sleep(0.05)
    pool.close()
    assert pool.stats().size == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
