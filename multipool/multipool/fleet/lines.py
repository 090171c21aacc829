"""How a beat reaches the server without the application noticing.

An idle connection is borrowed while nobody waits for one: the one that would be lent last,
and put back to where it was, so that its idleness goes on. It is no checkout: nothing counts it
and no hook is called. A pool that is in use and may grow can be given one for that. Where there
is none, a connection of our own is opened for one beat; of a budget that is to be kept, one is
reserved for that on each host, and one of its processes uses it at a time. Any line is cut, from
another thread, when it takes too long.
"""

from __future__ import annotations

import os
import socket
from _thread import allocate_lock
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from multipool.budget.gate import gate
from multipool.opening import open_in
from multipool.places import CLOSED, Refused, Room

if TYPE_CHECKING:
    from multipool.inner import Inner

#: Seconds that opening a connection of our own may take; and that it waits for its turn, where
#: only one may be open.
CONNECTING: Final = 2.0
GATE: Final = 1.0

#: Seconds until a closed one is given up, whose server process does not end.
_ENDING: Final = 5.0


class Line:
    """A connection for one beat, and the way to cut it."""

    def __init__(self, inner: Inner, conn: Any) -> None:
        self.inner = inner
        self.conn = conn
        #: What the driver takes for the number of the server's process.
        self.backend = inner.driver.backend_pid(conn)
        fd = inner.driver.fileno(conn)
        # A second descriptor, since the first may be another file's by the time of the cut. Where
        # there is none left, it cannot be cut.
        self._fd = -1
        with suppress(OSError):
            self._fd = os.dup(fd) if fd >= 0 else -1
        self._lock = allocate_lock()
        #: Whether it took too long.
        self.was_cut = False

    def ask(self, sql: str, *values: str) -> str | None:
        """Return the one value that *sql* has, as `Driver.ask` does."""
        return self.inner.driver.ask(self.conn, sql, *values)

    def cut(self) -> None:
        """Let whoever waits for an answer have an error instead. Called from another thread."""
        fd = self._let_go()
        if fd >= 0:
            self.was_cut = True
            with suppress(OSError), socket.socket(fileno=fd) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the descriptor, not the connection."""
        fd = self._let_go()
        if fd >= 0:
            os.close(fd)

    def _let_go(self) -> int:
        with self._lock:
            fd, self._fd = self._fd, -1
        return fd


class _Loan(NamedTuple):
    """A connection that a pool goes without."""

    inner: Inner
    conn: Any
    #: What had been done to it before.
    touched: int


@contextmanager
def borrowed(inners: Iterable[Inner]) -> Iterator[Line | None]:
    """Yield an idle connection of one of *inners*; None if there is none to spare."""
    loan = line = None
    try:
        for inner in inners:
            loan = _take(inner)
            if loan is not None:
                line = Line(inner, loan.conn)
                break
        yield line
    finally:
        if loan is not None:
            _put_back(loan, line)


@contextmanager
def in_turn(inner: Inner, until: float) -> Iterator[Line | None]:
    """Yield the next connection of *inner* that comes back; None if none does in time.

    It goes before those who wait already, since it keeps nobody for longer than a moment.
    """
    places = inner.places
    with places.lock:
        waiter = None if places.closed else places.line_up(monotonic(), first=True, ours=True)
    places.match()
    loan = line = None
    try:
        grant = None if waiter is None else places.wait(waiter, until)
        if isinstance(grant, Room):  # others need it more
            places.vacate(grant.slot)
        elif not (grant is None or grant is CLOSED or isinstance(grant, Refused)):
            loan = _Loan(inner, grant, grant._multipool_slot.touched)
            line = Line(inner, grant)
        yield line
    finally:
        if loan is not None:
            _put_back(loan, line)


def _put_back(loan: _Loan, line: Line | None) -> None:
    """Let the pool have its connection back as it was."""
    inner, conn, touched = loan
    slot = conn._multipool_slot
    if line is not None:
        line.close()
    if inner.status(conn):
        inner.discard(conn, slot)
    else:
        # The client's side was changed and changed back, which nobody need look at.
        slot.touched = touched
        inner.places.idle.appendleft(conn)
        inner.settle(conn, slot)


def _take(inner: Inner) -> _Loan | None:
    """Take the coldest idle connection that is fit to be lent."""
    idle = inner.places.idle
    while idle and not inner.waiting and not inner.closed:
        try:
            conn = idle.popleft()
        except IndexError:  # somebody was quicker
            return None
        slot, fit = conn._multipool_slot, False
        try:
            fit = not slot.spent and monotonic() < slot.ends and inner.caretaker.alive(conn, slot)
        finally:
            if not fit:
                inner.discard(conn, slot)
        if fit:
            return _Loan(inner, conn, slot.touched)
    return None


def grow(inners: Iterable[Inner]) -> bool:
    """Open an idle connection in one of *inners* that is in use and has room; return if it was.

    It is the next one that its users would open. A pool that nobody uses stays as it is. Raises
    the driver's error.
    """
    for inner in inners:
        places = inner.places
        if (
            inner.waiting
            or places.outage is not None
            or not any(s.leased for s in list(places.slots))
        ):
            continue
        with places.lock:
            room = None if inner.closed else places.reserve()
        places.match()
        if room is not None:
            conn = open_in(inner, room, monotonic() + CONNECTING, ours=True)
            if conn is not None:
                inner.shelve(conn)
                return True
    return False


@contextmanager
def opened(inner: Inner) -> Iterator[Line | None]:
    """Yield a connection of our own to where *inner* connects. Raises the driver's error.

    None if it is others' turn, where a budget is to be kept.
    """
    if inner.stake is None:
        with _open(inner) as line:
            yield line
        return
    with gate(inner.target.address or inner.name, GATE) as alone:
        if not alone:
            yield None
            return
        with _open(inner) as line:
            yield line


@contextmanager
def _open(inner: Inner) -> Iterator[Line]:
    conn = inner.driver.connect(inner.target.params(), CONNECTING)
    line = None
    try:
        line = Line(inner, conn)
        yield line
    finally:
        if line is not None:
            line.close()
        inner.caretaker.end(conn, 0 if inner.stake is None else _ENDING)
