"""Cursors whose rows have been read: what they are asked for needs no connection any more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

_MODES: Final = ("relative", "absolute")


class BufferedCursor(ABC):
    """The half of PEP 249's cursor that hands out rows.

    Whoever executes puts all of them into ``_rows`` and sets ``_at`` to 0; None means that
    there is no result.
    """

    __slots__ = ("_at", "_rows", "arraysize")

    _rows: Sequence[Any] | None
    _at: int
    #: How many rows `fetchmany` returns unless told.
    arraysize: int

    @abstractmethod
    def _nothing_to_fetch(self) -> Exception:
        """Return the driver's error for a fetch without a result, or from a closed cursor."""

    def _no_such_row(self, reason: str) -> Exception:
        """Return the error for a place where no row is."""
        return IndexError(reason)

    def fetchone(self) -> Any:
        """Return the next row, or None after the last."""
        rows = self._rows
        if rows is None:
            raise self._nothing_to_fetch()
        at = self._at
        if at >= len(rows):
            return None
        self._at = at + 1
        return rows[at]

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return at most *size* rows, the next ones (None: ``arraysize``; negative: all)."""
        rows = self._rows
        if rows is None:
            raise self._nothing_to_fetch()
        begin = self._at
        there = len(rows)
        if begin == there:  # as whoever reads in pieces asks in the end
            return []
        if size is None:
            size = self.arraysize
        end = begin + size
        self._at = end = end if begin <= end < there else there
        return list(rows[begin:end])

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows = self._rows
        if rows is None:
            raise self._nothing_to_fetch()
        begin, self._at = self._at, len(rows)
        return list(rows[begin:])

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        rows = self._rows
        if rows is None:
            raise self._nothing_to_fetch()
        if self._at >= len(rows):
            raise StopIteration
        self._at += 1
        return rows[self._at - 1]

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move by *value* rows, or with *mode* ``absolute`` to before row *value*, from 0.

        Raises IndexError for a place where no row is, ValueError for another mode.
        """
        rows = self._rows
        if rows is None:
            raise self._nothing_to_fetch()
        if mode not in _MODES:
            raise ValueError(f"scroll mode {mode!r}: must be {' or '.join(map(repr, _MODES))}")
        to = value + (self._at if mode == "relative" else 0)
        if not 0 <= to < len(rows):
            raise self._no_such_row(f"scroll to row {to}: there are {len(rows)}, counted from 0")
        self._at = to

    @property
    def rownumber(self) -> int | None:
        """The next row's place, counted from 0; None without a result."""
        return None if self._rows is None else self._at
