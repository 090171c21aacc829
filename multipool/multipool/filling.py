"""How it went with filling a pool up to ``min_size``."""

from __future__ import annotations

from time import monotonic

from multipool.errors import without_frames
from multipool.pauses import Pauses


class Filling:
    """What fails is not tried again at once, and then by one alone.

    A wrong password that many try for ever locks an account.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what went wrong."""
        #: Why the last attempt failed.
        self.error: Exception | None = None
        #: Monotonic time before which no other is made.
        self.next_try = 0.0
        self._pauses = Pauses()

    def hurry(self) -> None:
        """Let the next attempt be made at once, still by one alone."""
        self.next_try = 0.0
        self._pauses.begin_anew()

    def failed(self, error: Exception) -> None:
        """Note that an attempt failed; of several at once the first counts."""
        self.error = without_frames(error)
        now = monotonic()
        if now >= self.next_try:
            self.next_try = now + self._pauses.next()
