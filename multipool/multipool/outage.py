"""A server that does not answer: since when, why, and when to ask again.

While it lasts one thread asks, with growing pauses, and the others stay in line. A herd of
thousands of attempts a second is what other pools greet a returning server with.
"""

from __future__ import annotations

import random
from time import monotonic
from typing import Final

#: The first pause and the longest, in seconds.
_SHORTEST: Final = 0.05
_LONGEST: Final = 0.25


class Outage:
    """One outage of a pool's server."""

    __slots__ = ("_failed_at", "_pause", "_reason", "next_try", "reported", "since")

    def __init__(self, error: Exception) -> None:
        self.since = monotonic()
        self._pause = _SHORTEST
        #: Whether ``reconnect_failed`` was called.
        self.reported = False
        self.go_on(error)

    def go_on(self, error: Exception) -> None:
        """Note that another attempt failed, and when the next may be made."""
        # Its words alone: the error, and those it came from, keep every frame's variables alive,
        # and what this thread borrows later would be among them.
        self._reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        self._failed_at = now = monotonic()
        # Not all at once, where many processes lost the same server.
        self.next_try = now + self._pause * random.uniform(0.8, 1.0)
        self._pause = min(self._pause * 2, _LONGEST)

    def is_another_than(self, attempt: float, lull: float) -> bool:
        """Return whether nobody had asked for *lull* seconds before the *attempt* of that time.

        Then nothing is known of the time between, in which nobody may have needed a connection.
        """
        return attempt - self._failed_at >= lull

    def __str__(self) -> str:
        return (
            f"the server has not accepted a connection for {monotonic() - self.since:.1f} s"
            f" ({self._reason})"
        )
