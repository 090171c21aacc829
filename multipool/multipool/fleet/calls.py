"""When to call the server next, and that no call takes too long.

A call is made where nobody waits for it; the upkeep thread, which asks now and then whether it
is time, cuts the line of one that lasts. So a server that does not answer costs a connection.
"""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic
from typing import Final
from weakref import ReferenceType, ref

from multipool.fleet.lines import CONNECTING, Line

#: Seconds after which a call is cut.
PATIENCE: Final = 2.0


class Call:
    """One call, which is under way for as long as somebody has this, or until `Calls.end`.

    So an interrupt, wherever it strikes, leaves none under way that nobody makes.
    """

    __slots__ = ("__weakref__",)


class Calls:
    """One call after another."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        #: Monotonic time of the next one.
        self.due: float | None = None
        #: While one is under way: when it is cut, and the line that it goes by.
        self.cut_at: float | None = None
        self.line: Line | None = None
        self._last: ReferenceType[Call] | None = None

    def under_way(self) -> bool:
        """Return whether a call is. The lock is held."""
        if self.cut_at is not None and self._last is not None and self._last() is None:
            self.line = self.cut_at = None  # who was to make it, or to end it, was interrupted
        return self.cut_at is not None

    def look(self, now: float) -> float | None:
        """Return when to ask again while a call is under way, else None. The lock is held."""
        if not self.under_way() or self.cut_at is None:
            return None
        if now >= self.cut_at:
            self.cut_at = now + PATIENCE
            if self.line is not None:
                self.line.cut()
        return self.cut_at

    def begin(self, now: float, patience: float = CONNECTING + PATIENCE) -> Call:
        """Note that one begins, which may have to connect first. The lock is held.

        Whoever is to make it must have what this returns until it is over.
        """
        call = Call()
        self._last = ref(call)
        self.cut_at = now + patience
        return call

    def speak(self, line: Line) -> None:
        """Note that it goes by *line*."""
        with self.lock:
            self.line, self.cut_at = line, monotonic() + PATIENCE

    def was_cut(self) -> bool:
        """Return whether the call that is under way was cut."""
        return self.line is not None and self.line.was_cut

    def end(self, pause: float) -> None:
        """Note that it is over, and that the next one is due in *pause* seconds."""
        with self.lock:
            self.line = self.cut_at = None
            self.due = monotonic() + pause
