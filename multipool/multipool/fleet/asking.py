"""Asking over a connection of a pool's, for a person who waits: not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Final

from multipool.fleet.errors import FleetError
from multipool.fleet.lines import Line

if TYPE_CHECKING:
    from multipool.pool import Pool

#: Seconds until a line is cut whose server accepts questions and does not answer them.
PATIENCE: Final = 10.0


@contextmanager
def asking(pool: Pool) -> Iterator[Line]:
    """Lend a connection of *pool*'s as a line, which is cut after `PATIENCE`.

    Raises `FleetError` then, and what `Pool.connection` raises.
    """
    driver = pool.driver
    with pool.connection() as conn:
        line = Line(pool._inner, conn)
        timer = Timer(PATIENCE, line.cut)
        timer.daemon = True  # or it would keep the interpreter from ending
        timer.start()
        try:
            yield line
        except driver.Error as error:
            if not line.was_cut:
                raise
            raise FleetError(
                f"pool {pool.name!r}: the server has not answered for {PATIENCE:g} s"
            ) from error
        finally:
            timer.cancel()
            line.close()
