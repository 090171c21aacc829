"""Cases 7, 10, 18, 19: what a connection carries from one borrower to the next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.cases.scene import Attempt, Failed, Scene, give_back, told, use
from benchmarks.measure import execute
from benchmarks.peers import NotOffered, Peer

#: What a borrower does to its session, and the question whether the next one finds it.
_TRACES: Final[Mapping[str, tuple[str, str]]] = {
    "a setting": (
        "set statement_timeout = 12345",
        "select current_setting('statement_timeout') <> '0'",
    ),
    "a temporary table": (
        "create temporary table trace (n int)",
        "select to_regclass('pg_temp.trace') is not null",
    ),
    "an advisory lock": (
        "select pg_advisory_lock(42)",
        "select exists (select from pg_locks where locktype = 'advisory')",
    ),
    "LISTEN": ("listen news", "select exists (select from pg_listening_channels())"),
    "PREPARE": (
        "prepare trace as select 1",
        "select exists (select from pg_prepared_statements where name = 'trace')",
    ),
    "a cursor WITH HOLD": (
        "declare trace cursor with hold for select 1",
        "select exists (select from pg_cursors where name = 'trace')",
    ),
    "search_path": (
        "set search_path = pg_catalog, pg_temp",
        "select current_setting('search_path') = 'pg_catalog, pg_temp'",
    ),
    "the role": ("set role pg_monitor", "select current_user <> session_user"),
}


def outlived(scene: Scene) -> None:
    """A connection idle past its lifetime is not served."""
    scene.kind.need("lifetime")
    pool = scene.make(size=1, lifetime=1)
    before = use(pool)
    time.sleep(1.7)
    if use(pool) == before:
        raise Failed("it is served")


def hooks_fail(scene: Scene) -> None:
    """An exception in a hook: that connection is closed and replaced, the caller's error clear."""
    scene.kind.need("configure hook")
    _configure_fails(scene)
    if "reset hook" in scene.kind.offers:
        _reset_fails(scene)


def _configure_fails(scene: Scene) -> None:
    failing = True

    def configure(_: Any) -> None:
        if failing:
            raise ValueError("configure says no")

    pool = scene.make(size=1, timeout=2, configure=configure)
    asker = Attempt(pool.getconn)
    if not asker.ended(5):
        raise Failed("configure fails and the caller hangs")
    if not told(asker.error, "configure says no"):
        raise Failed(f"configure fails and the caller is told: {asker.error!r}")
    if not scene.nobody_left():
        raise Failed("a connection whose configure failed stays open")
    failing = False
    use(pool)
    pool.close()


def _reset_fails(scene: Scene) -> None:
    calls = 0

    def reset(_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("reset says no")

    pool = scene.make(size=1, timeout=3, reset=reset)
    lent = pool.getconn()
    before = execute(lent, "select pg_backend_pid()")
    give_back(pool, [lent])
    if use(pool) == before:
        raise Failed("a connection whose reset failed is served")


def traces(scene: Scene) -> None:
    """What a borrower did to the session does not reach the next one."""
    pool = scene.make(size=1, timeout=5)
    lent = pool.getconn()
    plain = pool.raw(lent).autocommit
    for sql, _ in _TRACES.values():
        execute(lent, sql)
    pool.raw(lent).commit()
    pool.raw(lent).autocommit = not plain
    pool.putconn(lent)
    found = _found(pool)
    lent = pool.getconn()
    if pool.raw(lent).autocommit != plain:
        found.append("autocommit")
    give_back(pool, [lent])
    if found:
        raise Failed(f"the next borrower meets {', '.join(found)}")


def _found(pool: Peer) -> list[str]:
    lent = pool.getconn()
    try:
        found = [name for name, (_, question) in _TRACES.items() if execute(lent, question)]
        pool.raw(lent).rollback()
        return found
    finally:
        pool.putconn(lent)


def left_prepared(scene: Scene) -> None:
    """A transaction left prepared (two-phase commit) does not hinder the next borrower."""
    pool = scene.make(size=1, timeout=5)
    lent = pool.getconn()
    raw = pool.raw(lent)
    if raw.autocommit:
        raise NotOffered("works in autocommit, without two-phase commit")
    raw.tpc_begin(raw.xid(1, "left", "prepared"))
    execute(lent, "create table prepared (n int)")
    raw.tpc_prepare()
    give_back(pool, [lent])
    del lent, raw
    try:
        lent = pool.getconn()
        execute(lent, "select 1")
        pool.raw(lent).commit()
        pool.putconn(lent)
    except Exception as error:
        raise Failed(f"the next borrower gets {type(error).__name__}") from error
