"""What a process tells of one pool beyond its figures: who holds, who waits, which queries.

The one place where the fleet looks into a pool for that.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

    from multipool.pool import Pool
    from multipool.slot import Slot

#: How many holders, waiters and queries of a pool are told; more would tell no more.
MOST: Final = 50

#: Seconds after which a lease is a reason to tell who holds.
LONG: Final = 30.0

_FRAMES: Final = 24


def in_trouble(pool: Pool) -> bool:
    """Return whether somebody should see who holds the connections of *pool*."""
    stats = pool.stats()
    if stats.waiting or (stats.max_size is not None and stats.used >= stats.max_size):
        return True
    before = monotonic() - LONG
    return any(slot.leased and slot.since < before for slot in list(pool._inner.places.slots))


def detail_of(pool: Pool) -> dict[str, Any]:
    """Return ``holders``, ``waiters`` and ``queries`` of *pool*, fit for JSON."""
    inner = pool._inner
    now = monotonic()
    frames = sys._current_frames()
    leased = sorted(
        (slot for slot in list(inner.places.slots) if slot.leased), key=lambda slot: slot.since
    )
    return {
        "holders": [_holder(slot, now, frames) for slot in leased[:MOST]],
        "waiters": [
            {"thread": None, "seconds": round(now - waiter.since, 3), "stack": []}
            for waiter in list(inner.places.waiting)[:MOST]
        ],
        "queries": [],
    }


def _holder(slot: Slot, now: float, frames: dict[int, FrameType]) -> dict[str, Any]:
    borrower = slot.borrower
    return {
        "thread": borrower.name.strip("'") if borrower is not None else "?",
        "seconds": round(now - slot.since, 3),
        "idle_in_transaction": None,
        "opened_at": [],
        "checked_out_at": [slot.where()],
        "query_at": [],
        "doing": _stack(frames.get(borrower.ident)) if borrower and not borrower.ended else [],
        "statement": None,
        "backend": slot.known_as[0],
        "tag": slot.known_as[1],
        "open_for": round(now - slot.born, 3),
    }


def _stack(frame: FrameType | None) -> list[str]:
    found: list[str] = []
    while frame is not None and len(found) < _FRAMES:
        code = frame.f_code
        found.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    return found
