"""A program that ends with connections idle, leased or waited for; see test_closing.py."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator

from multipool import Pool


class Knot:
    """What only the collector frees, as late as when the interpreter ends."""

    def __init__(self, held: Iterator[object]) -> None:
        self.itself = self
        self.held = held


def rows() -> Iterator[object]:
    """Suspend a block with a connection, in a transaction."""
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        yield conn


def main(scene: str, driver: str, upkeep: str, dsn: str) -> None:
    """Leave the interpreter, saying when, with the pool as *scene* has it."""
    global pool, leased  # as a program's own, which live until the interpreter ends
    pool = Pool(dsn, driver=driver, upkeep=upkeep, max_size=2, max_idle=5, name="shop")
    leased = [pool.getconn(), pool.getconn()]
    if scene == "idle":
        while leased:
            pool.putconn(leased.pop())
    elif scene == "in a cycle":
        for conn in leased:
            pool.putconn(conn)
        gc.disable()
        held = rows()
        leased = [next(held)]
        Knot(held)
    elif scene == "leased":
        pool.putconn(leased.pop())
    else:
        threading.Thread(target=pool.getconn, daemon=True).start()
        while not pool.stats().waiting:
            time.sleep(0.001)
        if scene == "everything":
            other = Pool(dsn, driver=driver, upkeep=upkeep, min_size=2, name="other")
            other.wait()
            leased += [pool, other, other.getconn()]
    print("bye")
    print(time.time(), end="", flush=True)
    if scene == "uncaught":
        raise ZeroDivisionError("of the user's own")


if __name__ == "__main__":
    main(*sys.argv[1:])
