"""A pool and those who hold its connections, as text for a person."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from multipool.watch.finding import holders
from multipool.watch.records import Holder

if TYPE_CHECKING:
    from multipool.inner import Inner

_TITLES: Final = ("held", "by thread", "state", "checked out", "last query", "now")

#: How many hints there are at most.
_HINTS: Final = 3


def as_table(inner: Inner) -> str:
    """Return a line on the pool, and a table of who holds its connections, the longest first.

    Then where less of them would do.
    """
    places = inner.places
    found = holders(inner)
    head = (
        f"pool {inner.name!r} ({inner.driver.name}, {inner.target}): {len(found)} of"
        f" max_size={inner.config.max_size} in use, {len(places.idle)} idle,"
        f" {len(places.queue())} waiting"
    )
    lines = [head]
    if found:
        rows = [_TITLES, *map(_row, found)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if inner.usage_log is not None:
        lines += inner.usage_log.report(list(places.slots)).hints[:_HINTS]
    return "\n".join(lines)


def _row(holder: Holder) -> tuple[str, ...]:
    idle = "" if holder.idle_for is None else f" {holder.idle_for:.1f} s"
    return (
        f"{holder.held_for:.1f} s",
        holder.borrower,
        holder.state + idle,
        _short(holder.checked_out),
        _short(holder.query),
        _short(holder.doing),
    )


def _short(places: tuple[str, ...]) -> str:
    """Return the first place, with its file's last folder only."""
    if not places:
        return "-"
    path, colon, rest = places[0].rpartition(":")
    return "/".join(PurePath(path).parts[-2:]) + colon + rest
