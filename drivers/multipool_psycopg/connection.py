"""The connection class that a pool of psycopg connections lends."""

from __future__ import annotations

from typing import Any

import psycopg

from multipool.driver import Pooled


class Connection(Pooled, psycopg.Connection[Any]):
    """psycopg's own connection, whose ``close`` gives it back to its pool."""

    @property
    def _pool(self) -> Any:  # type: ignore[override]
        """The slot of the pool that owns the connection: psycopg asks here for its own pool.

        With an owner, the connection used as a context manager is not closed at the end
        of the block, and psycopg does not warn when it is collected: the pool reports
        that. Raises `AttributeError` without one, which is how psycopg tells.
        """
        if self._multipool_slot is None:
            raise AttributeError("_pool")
        return self._multipool_slot
