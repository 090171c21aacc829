"""All pools of all processes on all machines, seen in one place: the PostgreSQL they share.

Every process with ``fleet=True`` writes a row of its own there now and then, a heartbeat
(`beating`); `read` returns all of them, joined with what the server knows of its sessions.
`schema.sql` is what it needs there, and `installing` puts it in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multipool.fleet.snapshot import Snapshot
    from multipool.pool import Pool


def read(pool: Pool, *, raw_sql: bool = False, watch: float = 15.0) -> Snapshot:
    """Return the fleet on the server that *pool* connects to, as of now.

    Args:
        pool: one whose role may read: ``multipool fleet install --reader`` says which may.
        raw_sql: show each session's last query as the server has it, with its literals.
        watch: seconds for which all processes are to beat more often, and with details, so
            that the next snapshot knows more. 0: leave them alone.

    Takes one connection for two round trips. Raises `FleetError` where the fleet is not
    installed, or not for this role, or the server does not answer for ten seconds, and what
    `Pool.connection` raises.
    """
    from multipool.fleet.reading import read as really

    return really(pool, raw_sql, watch)
