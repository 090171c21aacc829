"""How fresh is this."""

from __future__ import annotations

from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.latest import Seen
from multipool.dashboard.words import count, duration
from multipool.fleet.snapshot import Snapshot


def draw(seen: Seen) -> Html:
    """Return when the server was read, and how old what its processes told is."""
    if seen.snapshot is None:
        return join("The server could not be read yet.")
    clock = seen.snapshot.taken_at.partition("T")[2][:8]
    return join(
        tag("strong", "Read just now" if seen.age < 1 else f"Read {duration(seen.age)} ago"),
        f" at {clock} UTC. " if clock else ". ",
        _reports(seen.snapshot),
    )


def _reports(snapshot: Snapshot) -> str:
    if not snapshot.processes:
        return ""
    alive = [process.age for process in snapshot.processes if process.state == "alive"]
    told = f"{len(alive):,} of {count(len(snapshot.processes), 'process', 'processes')} report"
    return f"{told}, the oldest {duration(max(alive))} ago." if alive else f"{told}."
