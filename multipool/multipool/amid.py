"""A call that came in the midst of another one of its own thread's: a finaliser's, or a signal's.

The collector may run wherever something is made, and a signal's handler at any call. What they
ask of a pool may want a lock that their own thread has, and would wait for it for good.
"""

from __future__ import annotations

import sys
from _thread import LockType
from time import monotonic, sleep
from types import FrameType
from typing import Final

#: Seconds for which nobody holds a lock in which nothing is waited for, not even where a hundred
#: threads want the interpreter; and between two looks.
_LONG: Final = 1.0
_POLL: Final = 0.002


def is_own(lock: LockType) -> bool:
    """Return whether this very thread has *lock*, further out.

    A lock does not know who has it, and to write that down would cost all who take it. So it is
    said of one that stays locked, to a thread that was in the pool already when it came here.
    """
    if not lock.locked() or not _was_in_the_pool():
        return False
    until = monotonic() + _LONG
    while monotonic() < until:
        sleep(_POLL)
        if not lock.locked():
            return False
    return True


def _was_in_the_pool() -> bool:
    """Return whether there is code of ours beyond that which called the caller."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    while frame is not None and not _is_ours(frame):
        frame = frame.f_back
    return frame is not None


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("multipool.")
