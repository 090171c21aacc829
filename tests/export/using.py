"""How these tests use a pool."""

from __future__ import annotations

from support import Thread, until

from multipool import Pool
from multipool.export.facts import FIGURES, Figure

#: What every pool tells: these share no budget.
PLAIN = [fact for fact in FIGURES if not fact.name.startswith("multipool.budget.")]


def use(pool: Pool) -> None:
    """Open a connection, wait for one and return both; *pool* has room for one."""
    conn = pool.getconn()
    waiting = Thread(lambda: pool.putconn(pool.getconn()))
    until(lambda: pool.stats().waiting)
    pool.putconn(conn)
    waiting.outcome()


def exposed(fact: Figure) -> str:
    """Return the name under which Prometheus has *fact*."""
    unit = "_seconds" if fact.unit == "s" else ""
    return fact.name.replace(".", "_") + unit + ("_total" if fact.total else "")
