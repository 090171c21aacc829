"""All pools of all processes on all machines, seen in one place: the PostgreSQL they share.

Every process with ``fleet=True`` writes a row of its own there now and then, a heartbeat
(`beating`); `read` returns all of them, joined with what the server knows of its sessions.
"""

from multipool.fleet.snapshot import Snapshot

__all__ = ["Snapshot"]
