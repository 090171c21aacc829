"""Cursors WITH HOLD: they touch a session for as long as they are open, and no longer.

The adapter tells of each when it is declared and when it has been closed on the server. One that
nobody closed is left to the reset, when the connection comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from multipool.driver import HELD_CURSOR, IDLE, INTRANS, SESSION

if TYPE_CHECKING:
    from multipool.slot import Slot


class HeldCursors:
    """Those that are open in one lease."""

    __slots__ = ("_open", "_slot", "lease")

    def __init__(self, slot: Slot) -> None:
        self.lease = slot.serial
        self._slot = slot
        # By id, since a class of the user's may compare its cursors by something else.
        self._open: dict[int, ReferenceType[Any]] = {}

    def add(self, cursor: Any) -> None:
        """Take *cursor* in."""
        key = id(cursor)
        self._open[key] = ref(cursor, lambda _: self._lose(key))
        self._slot.touched |= HELD_CURSOR
        self._slot.wary = True

    def remove(self, cursor: Any) -> None:
        """Forget *cursor*, which is closed."""
        if self._open.pop(id(cursor), None) is not None and not self._open:
            self._slot.touched &= ~HELD_CURSOR

    def _lose(self, key: int) -> None:
        if self._open.pop(key, None) is not None and self._slot.serial == self.lease:
            # Collected and not closed: from here on only the session knows.
            self._slot.touched |= SESSION


def declaring(conn: Any, cursor: Any) -> None:
    """Note that *cursor*, WITH HOLD, is about to be declared on *conn*."""
    slot = conn._multipool_slot
    if slot is not None:
        held = conn._multipool_held
        if held is None or held.lease != slot.serial:
            held = conn._multipool_held = HeldCursors(slot)
        held.add(cursor)


def closed(conn: Any, cursor: Any, status: int) -> None:
    """Note that *cursor* of *conn*, which had that *status*, was closed without an error.

    In a failed transaction the drivers do not tell the server.
    """
    slot, held = conn._multipool_slot, conn._multipool_held
    if held is None or slot is None or held.lease != slot.serial:
        return
    if status in (IDLE, INTRANS):
        held.remove(cursor)
