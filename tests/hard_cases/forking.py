"""A program that forks with a pool in use; see test_fork.py."""

from __future__ import annotations

import contextvars
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hard_cases.outside import ask
from support import Thread, until
from tracers import Proxy, owner_of_connect

from multipool import Pool, pools
from multipool.driver import ACTIVE
from multipool.hold import block_of


def child(work: Callable[[], object]) -> None:
    """Run *work* in a forked child, and wait for it. Fails if it does."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            gc.collect()  # what is dropped here must not say goodbye for the parent
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"


def child_that_exits_as_usual(work: Callable[[], object]) -> None:
    """The same, by way of the interpreter's own end."""
    pid = os.fork()
    if not pid:
        work()
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"


def server_pid(conn: Any) -> int:
    """Ask the server itself for the pid of the process behind *conn*."""
    number: int = ask(conn, "select pg_backend_pid()")[0][0]
    conn.rollback()
    return number


def disjoint(pool: Pool) -> None:
    """The child has connections of its own, and the parent's go on."""
    conns = [pool.getconn(), pool.getconn()]
    mine = [server_pid(conn) for conn in conns]
    pool.putconn(conns[0])

    def work() -> None:
        theirs = [pool.getconn(), pool.getconn()]
        assert not {server_pid(conn) for conn in theirs} & set(mine)
        for conn in theirs:
            pool.putconn(conn)
        assert pool.stats().size == 2
        pool.close()

    child(work)
    child_that_exits_as_usual(work)
    conns[0] = pool.getconn()
    assert [server_pid(conn) for conn in conns] == mine
    for conn in conns:
        pool.putconn(conn)


def dropped(pool: Pool) -> None:
    """A child that drops or closes what it inherited says nothing on the parent's sockets."""
    held = [pool.getconn(), pool.getconn()]
    mine = {server_pid(conn) for conn in held}
    pool.putconn(held.pop())

    def work() -> None:
        for conn in held:
            conn.close()
        held.clear()
        gc.collect()

    child(work)
    child_that_exits_as_usual(work)
    held.append(pool.getconn())
    assert {server_pid(conn) for conn in held} == mine
    for conn in held:
        pool.putconn(conn)


def leased(pool: Pool) -> None:
    """A connection leased at the fork is of no use in the child, and says so."""
    conn = pool.getconn()
    cursor = conn.cursor()
    mine = server_pid(conn)

    def work() -> None:
        uses: list[Callable[[], object]] = [
            lambda: conn.cursor(),
            lambda: conn.commit(),
            lambda: conn.rollback(),
            lambda: conn.autocommit,
        ]
        for use in uses:
            refused(use, "before the process forked")
        with pytest.raises(pool.driver.Error):  # in the words of a C library, it may be
            cursor.execute("select 1")
        conn.close()  # is harmless
        assert conn.closed
        with pool.connection() as own:  # a lease that is lost would be reported
            assert server_pid(own) != mine

    def refused(use: Callable[[], object], why: str) -> None:
        with pytest.raises(pool.driver.Error, match=why):
            use()

    child(work)
    assert server_pid(conn) == mine
    conn.close()
    assert pool.stats().idle == 1


def block(pool: Pool) -> None:
    """A child that leaves a block which its parent had entered returns nothing to anybody."""
    with pool.connection() as conn:
        mine = server_pid(conn)
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
    if not pid:
        assert pool.stats().size == 0
        with pool.connection() as other:
            assert server_pid(other) != mine
        os._exit(0)
    with pool.connection() as conn:
        assert server_pid(conn) == mine


def held(pool: Pool) -> None:
    """A child waits for no thread of its parent's that executes something in the same hold."""
    hold = pool.hold()
    with hold:
        pool.execute("select 1")
        context = contextvars.copy_context()
        thread = Thread(lambda: context.run(pool.execute, "select pg_sleep(0.5)"))
        [slot] = pool._inner.places.slots
        conn = slot.conn_ref()
        until(lambda: pool.driver.status(conn) == ACTIVE)

        def work() -> None:
            with pytest.raises(pool.driver.Error, match="before the process forked"):
                pool.execute("select 1")
            hold.__exit__(None, None, None)
            assert pool.execute("select 1").fetchall()

        child(work)
        thread.outcome()
        assert pool.execute("select 1").fetchall()


def turn(pool: Pool) -> None:
    """A child's threads wait for the rest of the turn within which it was forked."""
    with pool.hold():
        context = contextvars.copy_context()
        taken: Any = block_of(pool._inner)
        done: list[Any] = []

        def execute() -> None:
            done.append(context.run(pool.execute, "select 1").fetchall())

        def work() -> None:
            thread = Thread(execute)
            time.sleep(0.2)  # in which it would be done, if it did not wait
            assert not done
            taken.turn.release()
            thread.outcome()
            assert len(done) == 1

        with taken.turn:
            child(work)
        execute()


def upkeep(pool: Pool) -> None:
    """Upkeep works in the child: what is too old or idle for too long goes, though nobody asks."""
    pool.putconn(pool.getconn())

    def work() -> None:
        for conn in [pool.getconn(), pool.getconn()]:
            pool.putconn(conn)
        if pool.config.upkeep == "inline":
            # The first call sees both idle, and uses one; the second closes the other.
            for pause in (0.1, 0.3):
                time.sleep(pause)
                pool.putconn(pool.getconn())
            assert (pool.stats().opened, pool.stats().closed) == (2, 1)
        else:
            until(lambda: pool.stats().size == 0)

    child(work)


def busy(pool: Pool) -> None:
    """A fork in the midst of what other threads do with the pool leaves the child a whole one."""
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            with pool.connection() as conn:
                ask(conn, "select 1")

    threads = [Thread(load) for _ in range(4)]

    def work() -> None:
        conns = [pool.getconn(timeout=5), pool.getconn(timeout=5)]
        assert len({server_pid(conn) for conn in conns}) == 2
        assert pool.stats().waiting == 0
        for conn in conns:
            pool.putconn(conn)

    for _ in range(10):
        time.sleep(0.01)
        child(work)
    stop.set()
    for thread in threads:
        thread.outcome()


def grandchild(pool: Pool) -> None:
    """A child's child has connections of its own too."""
    with pool.connection() as conn:
        mine = server_pid(conn)

    def work() -> None:
        with pool.connection() as conn:
            own = server_pid(conn)
        assert own != mine
        child(lambda: work_again(own))

    def work_again(before: int) -> None:
        with pool.connection() as conn:
            assert server_pid(conn) not in (before, mine)

    child(work)


def traced(pool: Pool) -> None:
    """A tracer's proxies around connections keep no pool of the child's from beginning anew."""
    owner = owner_of_connect(pool.driver.name)
    connect = owner.connect
    owner.connect = lambda *args, **options: Proxy(connect(*args, **options))
    target, kind = pool._inner.target.params(), pool.config.upkeep
    with Pool(target, driver=pool.driver, name="second", upkeep=kind) as second:
        both = [pool, second]
        held = [pool.getconn(), second.getconn()]
        mine = {server_pid(conn) for conn in held}

        def work() -> None:
            for one, conn in zip(both, held, strict=True):
                with pytest.raises(one.driver.Error, match="before the process forked"):
                    conn.cursor()
                conn.close()  # is harmless
                with one.connection() as own:
                    assert server_pid(own) not in mine

        child(work)
        assert {server_pid(conn) for conn in held} == mine
        for conn in held:
            conn.close()


def main(scene: str, driver: str, kind: str, dsn: str) -> None:
    """Play one scene; the exit status tells whether it went well."""
    options: dict[str, Any] = {"max_size": 2, "name": "shop", "upkeep": kind}
    if scene == "upkeep":
        options |= {"max_idle": 0.2}
    pool = Pool(dsn, driver=driver, **options)
    globals()[scene](pool)
    assert pools() == [pool]


if __name__ == "__main__":
    main(*sys.argv[1:])
