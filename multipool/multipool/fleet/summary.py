"""A snapshot as text, for ``multipool fleet show``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from multipool.fleet.snapshot import Snapshot
from multipool.terminal import printable

#: More holders than this would hide the rest.
_SHOWN: Final = 10


def as_text(snapshot: Snapshot) -> str:
    """Return what a person at a terminal wants to know first."""
    return "\n".join(printable(line) for line in _lines(snapshot))


def _lines(snapshot: Snapshot) -> Iterable[str]:
    budget = snapshot.budget
    yield (
        f"{snapshot.database} at {snapshot.taken_at}, PostgreSQL {snapshot.server_version}:"
        f" {budget.used} of {budget.max_connections} connections used, {budget.reserved} reserved"
    )
    for note in snapshot.notes:
        yield f"note: {note}"
    for app in snapshot.applications:
        stale = f" ({app.stale} stale)" if app.stale else ""
        yield (
            f"{app.name}: {app.processes} processes{stale} on {app.hosts} hosts, {app.pools} pools,"
            f" {app.used} of {app.size} connections in use, {app.waiting} waiting"
        )
    for holder in snapshot.holders[:_SHOWN]:
        where = holder.checked_out_at[0] if holder.checked_out_at else "unknown"
        yield (
            f"  held for {holder.seconds:.1f} s by {holder.thread} of {holder.app} on"
            f" {holder.host}, checked out at {where}"
        )
    if len(snapshot.holders) > _SHOWN:
        yield f"  and {len(snapshot.holders) - _SHOWN} more"
