"""How many connections a pool has had use for in the last moments.

What it has use for this very moment may be a lull, so the most counts that was seen within `LATELY`
or twice as long; and whoever found none, and could not wait, until the store has been told.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

NEVER: Final = float("inf")

#: Seconds for which it counts how many connections were in use; and for which it counts that
#: somebody found none.
LATELY: Final = 0.1
MISSED: Final = 1.0


class Use:
    """What was noted of one pool's use."""

    def __init__(self) -> None:
        #: The most since that time (monotonic), and shortly before.
        self._peak = self._before = 0
        self._since = 0.0
        #: How many it had use for, with the one that found none, and when.
        self._missed = 0
        self._missed_at = 0.0

    def note(self, used: int) -> None:
        """Note that it has use for *used* just now."""
        now = monotonic()
        if now - self._since >= LATELY:
            self._before = self._peak if now - self._since < 2 * LATELY else 0
            self._peak, self._since = 0, now
        self._peak = max(self._peak, used)

    def miss(self, wanted: int) -> None:
        """Note that somebody finds none, and so *wanted* are wanted."""
        self.note(wanted)
        self._missed, self._missed_at = wanted, monotonic()

    def told(self, then: float) -> None:
        """Note that the store has been told how it was at the monotonic time *then*."""
        if self._missed_at <= then:
            self._missed = 0

    def most(self) -> int:
        """Return the most that it had use for in the last moments."""
        now = monotonic()
        missed = self._missed if now - self._missed_at < MISSED else 0
        if now - self._since < LATELY:
            return max(self._peak, self._before, missed)
        return max(self._peak if now - self._since < 2 * LATELY else 0, missed)

    def is_down_at(self, used: int) -> float:
        """Return the monotonic time from which on *used* will be the most, if it stays so."""
        if self._peak > used:
            return self._since + 2 * LATELY
        return self._since + LATELY if self._before > used else 0.0
