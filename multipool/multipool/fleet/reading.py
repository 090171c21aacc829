"""Asking the server for everything that a snapshot is made of."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from multipool.fleet.asking import asking
from multipool.fleet.assembly import assemble
from multipool.fleet.errors import BUSY, MISSING, REMEDY, FleetError
from multipool.fleet.parsing import parse

if TYPE_CHECKING:
    from multipool.driver import Driver
    from multipool.fleet.lines import Line
    from multipool.fleet.snapshot import Snapshot
    from multipool.pool import Pool

SNAPSHOT: Final = "select multipool.snapshot(%s::boolean)::text"
WATCH: Final = "select multipool.watch(%s::float8)::text"


def read(pool: Pool, raw_sql: bool, watch: float) -> Snapshot:
    """See `multipool.fleet.read`."""
    driver = pool.driver
    if not driver.asks:
        raise FleetError(f"pool {pool.name!r}: driver {driver.name!r} cannot read the fleet")
    began = perf_counter()
    with asking(pool) as line:
        try:
            told = line.ask(SNAPSHOT, str(raw_sql))
            if watch > 0:
                _have_them_tell(line, driver, watch)
        except driver.Error as error:
            if driver.sqlstate(error) in MISSING:
                raise FleetError(f"pool {pool.name!r}: {REMEDY}") from error
            raise
    return assemble(parse(told or "{}"), took=perf_counter() - began)


def _have_them_tell(line: Line, driver: Driver, watch: float) -> None:
    try:
        line.ask(WATCH, str(watch))
    except driver.Error as error:
        # A sweep has that row, or another reader. What was read is as good, and the next who reads
        # asks for more again.
        if driver.sqlstate(error) not in BUSY:
            raise
