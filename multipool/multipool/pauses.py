"""Pauses between attempts that fail: short at first, each twice as long as the one before."""

from __future__ import annotations


class Pauses:
    """One pause after another, from *first* to *last* seconds."""

    def __init__(self, first: float = 1.0, last: float = 60.0) -> None:
        self._first = first
        self._last = last
        self._next = first

    def next(self) -> float:
        """Return the seconds until the next attempt."""
        pause, self._next = self._next, min(2 * self._next, self._last)
        return pause

    def begin_anew(self) -> None:
        """Note that one went well."""
        self._next = self._first
