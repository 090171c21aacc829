"""``with pool.connection() as conn``: one lease, ended exactly once."""

from __future__ import annotations

from _thread import get_ident
from types import TracebackType
from typing import Any

from multipool import refusing
from multipool.borrower import here
from multipool.inner import Inner
from multipool.lending import check_out, end_lease, lendable, look_back
from multipool.slot import Slot


class Lease:
    """The context manager behind `Pool.connection`.

    A class with slots, since `contextlib.contextmanager` would cost several times the
    checkout itself. Entering and leaving are the steps of `hotpath`, in line. What an
    instance holds is put into a local before it is called, else CPython 3.11 takes it for a
    method, and looks long for it.
    """

    __slots__ = ("_inner", "_lent", "_pool", "_serial", "_timeout")

    _inner: Inner
    #: The connection, within the block; None after it.
    _lent: Any
    #: Kept alive for as long as its connection is out.
    _pool: object
    _timeout: float | None

    def __enter__(self) -> Any:
        inner = self._inner
        tracing = inner.tracing
        frame_of = tracing.frame_of
        try:
            frame = frame_of(1)
        except ValueError:  # called by what is no Python code
            frame = frame_of(0)
        try:
            conn = None if inner.waiting else inner.idle.pop()
        except IndexError:
            conn = None
        slot: Slot
        if conn is None or (
            (slot := conn._multipool_slot).wary and not lendable(inner, conn, slot)
        ):
            conn = check_out(inner, self._timeout, frame)
            slot = conn._multipool_slot
        else:
            slot.code = frame.f_code
            slot.lasti = frame.f_lasti
            if tracing.stacks:
                slot.keep_stack(frame)
            slot.serial += 1
            if slot.borrower.living != get_ident():
                slot.pass_to(here.borrower)
            slot.leased = slot.home
        self._lent = conn
        self._serial = slot.serial
        return conn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            conn = self._lent
            slot: Slot | None = conn._multipool_slot
        except AttributeError:  # None has no slot
            raise refusing.entered_twice(self._inner) from None
        self._lent = None  # the pool must be the only one to hold it, once it is back
        if slot is None:
            return  # given back inside the block and closed, or a forked child's parent's
        inner = self._inner
        status = inner.status
        busy = status(conn)
        if busy and kind is None and slot.serial == self._serial and slot.leased:
            if inner.inline:
                look_back(inner)
            try:
                inner.commit(conn)
            except BaseException:
                end_lease(inner, conn, slot, self._serial)
                raise
            busy = status(conn)
        # From here to the push there is no call, as in `hotpath`.
        if slot.serial != self._serial or not slot.leased:
            return  # given back inside the block; by now it may be somebody else's
        if busy or slot.wary:
            end_lease(inner, conn, slot, self._serial)
        else:
            slot.leased = None
            inner.idle.append(conn)
            if inner.waiting:
                inner.places.match()


class CallingLease(Lease):
    """The same for a checkout that is better called, as it does more, or is done in C."""

    __slots__ = ()

    def __enter__(self) -> Any:
        getconn = self._inner.getconn
        self._lent = conn = getconn(self._timeout, 2)
        self._serial = conn._multipool_slot.serial
        return conn
