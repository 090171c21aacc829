"""Ending a session of the server, or its query, from outside: with a second look, and on record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

from multipool.fleet.asking import asking
from multipool.fleet.errors import FleetError

if TYPE_CHECKING:
    from multipool.pool import Pool

log = logging.getLogger("multipool.fleet.audit")

Action = Literal["cancel", "terminate"]

# The pid alone may be another's by the time that somebody has made up their mind.
_SQL: Final[dict[Action, str]] = {
    action: f"""
        select pg_{action}_backend(pid)::text from pg_stat_activity
         where pid = %s::int and backend_start = %s::timestamptz
           and backend_type = 'client backend' and pid <> pg_backend_pid()
    """  # noqa: S608 -- ours
    for action in ("cancel", "terminate")
}


def end_backend(pool: Pool, action: Action, *, pid: int, started: str, by: str) -> bool:
    """Cancel the query of a session, or terminate the session; return whether it was told to.

    Args:
        pool: one whose role may do so: that of the session itself, or a member of it or of
            ``pg_signal_backend``.
        action: ``"cancel"`` or ``"terminate"``.
        pid, started: which session: both as its `Backend` has them.
        by: who wants it, for the line in the log that says so (``multipool.fleet.audit``).

    False: there is no such session any more, it is no client's, or it is the asking one itself.
    Raises the driver's error if the role may not, and `FleetError` if the server does not answer.
    """
    outcome = "refused"
    try:
        with asking(pool) as line:
            told = line.ask(_SQL[action], str(pid), started)
        outcome = "done" if told == "true" else "no such session"
    except FleetError:
        outcome = "no answer"
        raise
    finally:
        # Quoted, since both may be from outside: each attempt is one line.
        log.warning("%s of backend %d (begun %r) by %r: %s", action, pid, started, by, outcome)
    return told == "true"
