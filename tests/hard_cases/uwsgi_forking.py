"""A program that forks as uWSGI does, without Python's at-fork hooks; see test_fork.py."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import types
from typing import Any

called: list[str] = []
uwsgi: Any = types.ModuleType("uwsgi")
uwsgi.masterpid = lambda: 0  # a lone process, which uwsgidecorators refuse
uwsgi.post_fork_hook = lambda: called.append("the application's own")
sys.modules["uwsgi"] = uwsgi

from hard_cases.outside import ask  # noqa: E402  # uWSGI's module is there before ours

from multipool import Pool  # noqa: E402
from multipool.clock import clock  # noqa: E402


def main(driver: str, upkeep: str, dsn: str) -> None:
    """Fork with a connection in the pool, and compare."""
    pool = Pool(dsn, driver=driver, upkeep=upkeep)
    with pool.connection() as conn:
        mine = ask(conn, "select pg_backend_pid()")
    # At rest: where a thread wants the interpreter just then, a fork behind Python's back leaves
    # the child with a lock of the interpreter's own taken for ever, under uWSGI too.
    while not clock.asleep:
        time.sleep(0.01)
    pid = ctypes.PyDLL(None).fork()
    if not pid:
        uwsgi.post_fork_hook()
        with pool.connection() as conn:
            theirs = ask(conn, "select pg_backend_pid()")
        os._exit(0 if theirs != mine and called == ["the application's own"] else 1)
    assert os.waitpid(pid, 0)[1] == 0
    with pool.connection() as conn:
        assert ask(conn, "select pg_backend_pid()") == mine


if __name__ == "__main__":
    main(*sys.argv[1:])
