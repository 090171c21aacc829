"""How these tests use a pool."""

from __future__ import annotations

from support import Thread, until

from multipool import Pool


def use(pool: Pool) -> None:
    """Open a connection, wait for one and return both; *pool* has room for one."""
    conn = pool.getconn()
    waiting = Thread(lambda: pool.putconn(pool.getconn()))
    until(lambda: pool.stats().waiting)
    pool.putconn(conn)
    waiting.outcome()
