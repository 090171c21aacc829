"""What is seen of one connection: where its borrower made a cursor and executed, and when."""

from __future__ import annotations

import logging
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from multipool.watch.stacks import Place, Stack, caller, site_of, whole
from multipool.watch.tracing import More, Tracing

if TYPE_CHECKING:
    from multipool.slot import Slot

log = logging.getLogger("multipool.watch")

_frame = sys._getframe


class Sight:
    """One connection as its cursors show it; the adapter's cursors tell it, see `cursor`.

    Of a statement that has ended only the place is kept, and the text without its literals or by
    which hash `Fingerprints` may know it, never the text itself. Whose lease a place belongs to
    is noted beside it, so that nothing need be cleared when a connection comes back.
    """

    __slots__ = (
        *("cursor", "cursor_lease", "query", "query_lease", "quiet_since", "slot"),
        *("cursor_foretold", "first", "first_lease", "foretold", "last", "spent", "statement"),
        "tracing",
    )

    def __init__(self, slot: Slot, tracing: Tracing) -> None:
        self.slot = slot
        self.tracing = tracing
        #: Where the last cursor was made and the last statement executed, and the ``serial`` of
        #: the leases in which that was.
        #: None: where the lease began.
        self.cursor: Stack | None = None
        self.cursor_lease = -1
        self.query: Stack | None = None
        self.query_lease = -1
        #: The whole stack of the first statement of a lease, where whole stacks are kept: it stands
        #: in for the lease's, see `Slot.checked_out_at`; and the ``serial`` of that lease.
        self.first: Stack | None = None
        self.first_lease = -1
        #: What is executed there, while it is; then None.
        self.statement: Any = None
        #: Where statements are counted, the hash of the last one that has ended, or the text that
        #: stands for it; see `queries.log.text_of`.
        self.last: int | str | None = None
        #: When the last statement ended, by `perf_counter`.
        self.quiet_since = 0.0
        #: The ``serial`` of a lease that was made where a statement is about to be executed, and
        #: for it: if its whole stack was kept, none need be made for the cursor and the statement.
        self.foretold = -1
        #: The same of a lease that was made for a cursor, which will be the next one: it is made
        #: where the lease began, whatever was kept of that.
        self.cursor_foretold = -1
        #: Seconds that statements have taken in all, where there are observers.
        self.spent = 0.0

    @property
    def running(self) -> bool:
        """Whether a statement is being executed."""
        return self.statement is not None

    def cursor_made(self, depth: int = 2) -> None:
        """Note that the caller's caller makes a cursor; or who is *depth* calls above."""
        tracing = self.tracing
        if tracing.base:
            slot = self.slot
            serial = slot.serial
            if serial == self.cursor_foretold or (
                serial == self.foretold and serial in (slot.stack_lease, slot.live_lease)
            ):
                self.cursor_foretold = -1
                self.cursor = None
            else:
                try:
                    frame = _frame(depth)
                except ValueError:  # called by no Python code, as in a new thread
                    frame = _frame(0)
                self.cursor = whole(frame) if tracing.stacks else caller(frame)
            self.cursor_lease = serial

    def begins(self, query: Any) -> Place | None:
        """Note that the caller's caller executes *query*.

        Returns the place, if somebody but us wants to know.
        """
        self.statement = query
        tracing = self.tracing
        wanted = tracing.observers or tracing.amend
        try:
            if not tracing.base:
                return caller(_frame(2)) if wanted else None
            slot = self.slot
            self.query_lease = serial = slot.serial
            if not tracing.stacks:
                self.query = place = caller(_frame(2))
                return place
            if self.foretold == serial and (stack := self.began()) is not None:
                self.query = None
            else:
                self.query = stack = whole(_frame(2))
                if self.first_lease != serial:
                    self.first = stack
                    self.first_lease = serial
        except ValueError:  # as above
            place = caller(_frame(0))
            if tracing.base:
                self.query = place
            return place
        return site_of(stack) if wanted else None

    def first_of(self, serial: int) -> Stack | None:
        """Return the whole stack of the first statement of that lease, if it was kept."""
        # In this order: it is written first, and by another thread.
        return self.first if self.first_lease == serial else None

    def began(self) -> Stack | None:
        """Return where the lease was made, which is for what is executed next; None: not known.

        It is the whole stack, or the place alone if that is the application's.
        """
        slot = self.slot
        self.foretold = -1
        if slot.live_lease == slot.serial:
            return slot.code, slot.lasti
        return slot.stack if slot.stack_lease == slot.serial else None

    def ended(
        self,
        cursor: Any,
        query: Any,
        place: Place | None,
        begun: float,
        rows: int,
        error: BaseException | None = None,
    ) -> None:
        """Note that *query* of *cursor*, begun at *begun* by `perf_counter`, has ended."""
        self.quiet_since = now = perf_counter()
        self.statement = self.last = None
        observers = self.tracing.observers
        if observers and place is not None:
            sql = query if type(query) is str else _text_of(query, cursor)
            seconds = now - begun
            self.spent += seconds
            try:
                for observer in observers:
                    observer.executed(sql, place, seconds, rows, error)
            except Exception as failure:  # the statement has been executed; that is what counts
                self._complain(failure)
            self.last = hash(sql)

    def went_on(self, text: str, place: Place, more: More) -> None:
        """Tell what `Observer.went_on` says, of a statement that was told of at its `ended`."""
        try:
            for observer in self.tracing.observers:
                observer.went_on(text, place, more)
        except Exception as failure:  # the rows are there
            self._complain(failure)

    def _complain(self, failure: Exception) -> None:
        home = self.slot.home()
        name = None if home is None else home.name
        log.warning("pool %r: an observer failed: %s", name, type(failure).__name__)

    def stirs(self) -> None:
        """Note that the server was asked for something beside statements, as for rows."""
        self.quiet_since = perf_counter()


def _text_of(query: Any, cursor: Any) -> str:
    """Return the text of what is no plain string: bytes, or the drivers' composed SQL."""
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    try:
        text: str = query.as_string(cursor)
    except Exception:  # a form that we do not know; the driver may
        return query if isinstance(query, str) else ""
    return text
