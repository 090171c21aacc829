"""A pool as the dashboard's source: it reads the fleet on the server that the pool connects to."""

from __future__ import annotations

from multipool import fleet
from multipool.dashboard.ending import Wish
from multipool.fleet.ending import end_backend
from multipool.fleet.snapshot import Snapshot
from multipool.pool import Pool


class PoolSource:
    """Reads by one connection of a pool, and gives it back."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def read(self, *, raw_sql: bool) -> Snapshot:
        """Return the fleet as it is now; see `multipool.fleet.read`."""
        return fleet.read(self._pool, raw_sql=raw_sql)

    def end(self, wish: Wish, by: str) -> bool:
        """End a session; see `multipool.fleet.ending.end_backend`."""
        return end_backend(self._pool, wish.how, pid=wish.pid, started=wish.started, by=by)
