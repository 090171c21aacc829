"""What the pool knows of one physical connection, and of its current lease."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ReferenceType, ref

from multipool.borrower import NOBODY, Borrower
from multipool.clock import clock
from multipool.errors import ConnectionNotLeased, PoolError
from multipool.watch.doing import frame_of, task_here
from multipool.watch.library import is_library
from multipool.watch.stacks import Stack, frame_at, line_of, site_of, whole

if TYPE_CHECKING:
    from multipool.watch.usage import Span

_MANY = 32


class Home(Protocol):
    """The pool that a slot belongs to, as far as the slot knows it."""

    name: str

    def give_back(self, conn: Any) -> None:
        """Take a lent connection back."""

    def end(self, conn: Any, slot: Slot, serial: int) -> bool:
        """Take a lent connection back from the lease of that number; return False if it is over."""
        ...

    def keep(self, conn: Any, slot: Slot) -> None:
        """Put a clean connection among the idle ones, or into waiting hands."""

    def vacate(self, slot: Slot) -> None:
        """Free a place whose connection was collected. Waits for no lock."""

    def ended(self, slot: Slot) -> None:
        """Let a connection be lent no more that has ended by itself."""

    def error(self, kind: type[PoolError], text: str) -> PoolError:
        """Return an error of *kind* that names the pool."""
        ...


class Slot:
    """One place in a pool: a connection, or the right to open one.

    The pool holds a leased connection only weakly, so that one its borrower lost is
    noticed when it is collected. Only the thread that has the connection to itself
    writes here, but for `spend` and ``wary``, which anybody may set, and upkeep's own notes.
    """

    __slots__ = (
        "_dated",
        "_since",
        "backend_pid",
        "born",
        "borrower",
        "closing",
        "code",
        "conn_ref",
        "ends",
        "fd",
        "former",
        "has_past",
        "home",
        "idle_since",
        "lasti",
        "leased",
        "lent_at",
        "live_lease",
        "opened_at",
        "purge_at",
        "seen",
        "seen_outside",
        "serial",
        "settings",
        "settled_lease",
        "span",
        "spent",
        "stack",
        "stack_lease",
        "tag",
        "task",
        "touched",
        "wary",
    )

    def __init__(self, home: Callable[[], Home | None]) -> None:
        self.home = home
        #: The connection, once there is one, and its socket's file descriptor.
        self.conn_ref: ReferenceType[Any] | None = None
        self.fd = -1
        #: Monotonic times at which the connection was opened and ends its life.
        self.born = 0.0
        self.ends = 0.0
        #: What the driver remembered of its settings after ``configure``.
        self.settings: Any = None

        #: The application's name, by which the server knows it behind a pooler, where a fleet is
        #: to be told.
        self.tag: str | None = None

        #: One flag for all that is out of the ordinary, so that the hot path asks once:
        #: whoever sets it wants this connection looked at, when next lent or returned.
        self.wary = False
        #: Must not be lent again: dead, past its lifetime, drained, one too many.
        self.spent = False
        #: Is being closed already.
        self.closing = False
        #: What its borrower did to the session, see `Pooled.touch`.
        self.touched = 0

        #: `home` while somebody has it, so that the hot path sees by one look that it is lent, and
        #: by which pool; else None. And who has or had it last.
        self.leased: Callable[[], Home | None] | None = None
        self.borrower: Borrower = NOBODY
        #: The server process, as it was told at connect.
        self.backend_pid: int | None = None
        #: Where in the code it was opened.
        self.opened_at: Stack | None = None
        #: Where it was checked out; the whole stack, if that was kept, and the ``serial`` of the
        #: lease that it is of.
        self.code: CodeType | None = None
        self.lasti = 0
        self.stack: Stack | None = None
        self.stack_lease = -1
        #: The ``serial`` of a lease of which no stack was kept since it is made, and as a rule
        #: ends, within one call: until it is over, its thread has the whole stack. Whoever sets
        #: this calls `keep_live` if the lease is to outlive the call.
        self.live_lease = -1
        #: Beside a whole stack: the asyncio task that checked it out, if one did.
        self.task: ReferenceType[Any] | None = None
        # When the lease number `_dated` began, see `since`.
        self._since = 0.0
        self._dated = 0
        #: What whoever knows what it is for counts of it.
        self.span: Span | None = None
        #: When it was lent, to the microsecond; only where leases are timed (``use_time``).
        self.lent_at = 0.0
        #: Counts the leases: whoever noted it can tell whether a lease is still theirs.
        self.serial = 0
        #: Whether there was ever reason to ask for one of the next two: the hot path asks once.
        self.has_past = False
        #: The lease whose borrower has promised to call `Pooled.settle` before it ends; 0 if there
        #: is none, or it was called. What ends otherwise, the pool settles.
        self.settled_lease = 0
        #: The borrowers before, if there were others: a thread among these that returns the lease
        #: of another holds a stale reference.
        self.former: set[Borrower] | None = None
        #: How many of these there may be before those that have ended are dropped.
        self.purge_at = _MANY

        #: Upkeep's: the lease count it saw last, and since when it has been idle.
        self.seen = -1
        self.idle_since = 0.0
        #: Upkeep's: when it was last seen lent, but outside of a transaction or at work.
        self.seen_outside = 0.0

    def attach(self, conn: Any, now: float, ends: float, fd: int) -> None:
        """Take *conn*, just opened, into this place."""
        home = self.home

        def collected(_: object, slot: Slot = self) -> None:
            # Runs wherever the collector happens to run: no lock may be taken here.
            pool = home()
            if pool is not None:
                pool.vacate(slot)

        self.conn_ref = ref(conn, collected)
        self.fd = fd
        self.born = self._since = self.idle_since = now
        self.ends = ends
        conn._multipool_slot = self

    def detach(self, conn: Any) -> None:
        """Let go of *conn*: from here on its ``close`` closes it for good."""
        self.conn_ref = None
        self.spend()
        conn._multipool_slot = None

    def spend(self) -> None:
        """Let the connection not be lent again."""
        self.spent = True
        self.wary = True

    @property
    def since(self) -> float:
        """When the last lease began, in coarse monotonic time.

        The hot path does not write it down. Upkeep, which sets the clock, does at each tick, for
        what it sees for the first time: until then a lease has begun just now.
        """
        dated, since = self._dated, self._since
        return since if dated == self.serial else clock.now

    def date(self, now: float) -> None:
        """Note that the last lease began by the time *now*, if that is not known already."""
        serial = self.serial
        if self._dated != serial:
            self._since = now
            self._dated = serial

    def foretell(self, now: float) -> None:
        """Note that the lease that is about to begin begins at the time *now*."""
        self._since = now
        self._dated = self.serial + 1

    def lend(self, borrower: Borrower, frame: FrameType, stacks: bool, now: float) -> None:
        """Begin a lease. The hot path writes the same, in line, but for when."""
        self.code = frame.f_code
        self.lasti = frame.f_lasti
        self.foretell(now)
        if stacks:
            self.keep_stack(frame)
        self.serial += 1
        if self.borrower is not borrower:
            self.pass_to(borrower)
        self.leased = self.home  # last: until then whoever had it before cannot give it back

    def keep_stack(self, frame: FrameType) -> None:
        """Note the whole stack of the lease that is about to begin."""
        # Upkeep may go to sleep during this call, and would date the lease no more.
        self.foretell(clock.now)
        self.stack = whole(frame)
        self.task = task_here()
        self.stack_lease = self.serial + 1

    def keep_live(self) -> None:
        """Note the whole stack of the `live_lease`: called in the call that it was made in."""
        frame = frame_at(sys._getframe(1), self.code, self.lasti)
        if frame is not None:
            self.stack = whole(frame)
            self.task = task_here()
            self.stack_lease = self.serial
        self.live_lease = -1

    def pass_to(self, borrower: Borrower) -> None:
        """Note that another thread than before borrows."""
        if self.borrower is not NOBODY:
            former = self.former
            if former is None:
                self.former = former = set()
                self.has_past = True
            former.add(self.borrower)
            former.discard(borrower)
            if len(former) >= self.purge_at:
                self.former = former = {one for one in former if not one.ended}
                self.purge_at = max(_MANY, 2 * len(former))
        self.borrower = borrower

    def end(self, conn: Any, serial: int) -> bool:
        """End the lease number *serial*, from any thread; return False if it is over already.

        For those who noted the number: it proves that their reference is not a stale one.
        """
        pool = self.home()
        if pool is not None:
            return pool.end(conn, self, serial)
        if self.serial != serial or not self.leased:
            return False
        self.give_back(conn)
        return True

    def give_back(self, conn: Any) -> None:
        """Return *conn* to its pool; called by its own ``close``."""
        if self.conn_ref is not None:
            # A tracer may have put a proxy around it, and that is what was lent.
            lent = self.conn_ref()
            conn = conn if lent is None else lent
        pool = self.home()
        if pool is not None:
            pool.give_back(conn)
        elif self.leased:
            # The pool was dropped while this was out: nobody is left to keep it.
            self.leased = None
            self.detach(conn)
            conn.close()
        else:
            raise ConnectionNotLeased("this connection's pool is gone")

    def where(self) -> str:
        """Return the line of code that checked the connection out, as ``file.py:12 in name``.

        Of a library's also the line of the application that called it, where that is known.
        """
        if self.code is None:
            return "unknown"
        line = line_of(self.code, self.lasti)
        if self.stack_lease == self.serial and self.stack is not None:
            caller = site_of(self.stack)
            if is_library[self.code.co_filename] and not is_library[caller[0].co_filename]:
                return f"{line}, called at {line_of(*caller)}"
        return line

    def checked_out_at(self, first: Stack | None = None) -> Stack | None:
        """Return what is known of where the current lease began.

        *first*: the whole stack of its first statement, if that is known. Where none was kept of
        the lease itself, the function that made it has the same callers there, as a rule. In a
        recursion those of its outermost call are told, which all of them have.
        """
        serial = self.serial
        if self.live_lease == serial:
            frame = frame_at(frame_of(self.borrower), self.code, self.lasti)
            stack = None if frame is None else whole(frame)
            if stack is not None and self.live_lease == self.serial == serial:  # all the while
                return stack
        if self.stack_lease == self.serial:
            return self.stack
        if self.code is None:
            return None
        if first is not None:
            for index in range(len(first) - 2, -1, -2):
                if first[index] is self.code:  # not ==, as code of the same text is
                    return self.code, self.lasti, *first[index + 2 :]
        return self.code, self.lasti
