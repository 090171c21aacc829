"""Stacks on their way through the database: each line is written once, stacks hold its number.

Those who hold connections have most of their frames in common, and the server pays for every
byte of a report, at every beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: What in a detail is a list of lines.
STACKS: Final = ("opened_at", "checked_out_at", "query_at", "doing", "stack")


def fold(details: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the details of each pool as they are sent: ``frames``, and ``pools`` that use them."""
    numbers: dict[str, int] = {}

    def folded(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: [numbers.setdefault(line, len(numbers)) for line in value]
            if name in STACKS
            else value
            for name, value in entry.items()
        }

    pools = {
        pool: {what: [folded(entry) for entry in entries] for what, entries in detail.items()}
        for pool, detail in details.items()
    }
    return {"frames": list(numbers), "pools": pools}


def frames_of(detail: object) -> list[str]:
    """Return the lines in a detail as it was sent; empty ones for what makes no sense."""
    frames = detail.get("frames") if isinstance(detail, Mapping) else None
    if not isinstance(frames, list):
        return []
    return [line if isinstance(line, str) else "" for line in frames]


def unfold(stack: object, frames: list[str]) -> tuple[str, ...]:
    """Return the lines of a stack as it was sent; none if it makes no sense."""
    if not isinstance(stack, list):
        return ()
    try:
        return tuple(map(frames.__getitem__, stack))
    except (TypeError, IndexError):
        return ()
