"""A clock that is read for nothing.

Reading the time costs a fifth of a checkout, and nobody needs to know to the microsecond
when a connection was taken. So upkeep's thread sets `Clock.now` ten times a second while
connections are being lent, and whoever has read the time anyway sets it too.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

#: Seconds between two ticks: how coarse ``now`` is while awake.
TICK: Final = 0.1


class Clock:
    """The process's coarse monotonic time."""

    __slots__ = ("asleep", "now")

    def __init__(self) -> None:
        #: Monotonic seconds.
        self.now = monotonic()
        #: True while nobody ticks. Then every open connection is marked wary, so the next
        #: checkout comes by the slow way and wakes it.
        self.asleep = True

    def read(self) -> float:
        """Set ``now`` to the very time, and return it."""
        self.now = now = monotonic()
        return now


clock: Final = Clock()
