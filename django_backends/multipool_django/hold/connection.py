"""What stands where Django keeps its connection, and has one of the pool's while it needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from django.db.backends.signals import connection_created

from multipool import Pool
from multipool.driver import CLIENT, IDLE, ON_SERVER, UNKNOWN
from multipool.hold import Block, block_of
from multipool.watch.library import application
from multipool.watch.usage import Errand
from multipool_django import errands, startup
from multipool_django.callers import depth_of_asker
from multipool_django.hold.cursor import OnDemandCursor
from multipool_django.hold.forwarding import forwarding
from multipool_django.hold.greeting import greet
from multipool_django.hold.info import ConnectionInfo
from multipool_django.hold.making import Maker
from multipool_django.hold.named import OnDemandNamedCursor
from multipool_django.hold.turns import turn_on
from multipool_django.options import TRANSACTION

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper


#: The same of all connections of a pool for as long as nobody sets it on one, which then stays.
#: Tracers, such as Sentry and django-debug-toolbar, ask for these and for where a connection leads
#: to, with each statement.
_SAME_OF_ALL: Final = frozenset(
    [
        *("encoding", "protocol_version", "server_version"),
        *("isolation_level", "readonly", "read_only", "deferrable"),
    ]
)


@forwarding(
    *("isolation_level", "readonly", "read_only", "deferrable", "notices", "adapters"),
    *("cursor_factory", "server_cursor_factory", "row_factory"),
    *("prepare_threshold", "prepared_max"),
)
class OnDemandConnection:
    """Borrows a connection for each statement, and keeps it while the next one may need it.

    In autocommit it goes back as soon as a statement's rows have been read, unless

    - a transaction was begun, by whatever means;
    - the session was touched as `multipool.session` sees it (SET, LISTEN, temporary tables,
      advisory locks, ...), or a cursor WITH HOLD is open;
    - it is within the block of `Pool.hold`;
    - something of the driver's connection was handed out: whatever this class does not know
      is the driver's own.

    What was kept for one of the last two of these reasons goes back when the block ends, and
    when Django closes its connection, as it does at the end of a request.
    """

    # Without a dict, so that what is set here by mistake is refused.
    __slots__ = (
        *("_wrapper", "_pool", "_turn", "_lent", "_serial", "_autocommits", "_keeping"),
        *("_handed_out", "_open", "_ended", "_errand", "_begun", "_since", "_held"),
        *("_make", "_has_rows", "_running", "_blocks", "_seen", "_inherited", "__weakref__"),
    )

    # It is no connection of a pool, for those who ask.
    _multipool_slot = None

    def __init__(self, wrapper: PooledWrapper, pool: Pool) -> None:
        self._wrapper = wrapper
        self._pool = pool
        # Of which settings that is the pool.
        self._seen = wrapper._seen
        # Whether it was made before this process was forked: see `fileno`.
        self._inherited = False
        # Threads that share a wrapper take turns, so that no one's connection is given back
        # by another.
        self._turn = turn_on(self)
        self._lent: Any = None
        self._serial = 0
        self._autocommits = True
        # How many of `kept` there are, whether something was handed out, what is open.
        self._keeping = 0
        self._handed_out = False
        self._open: set[OnDemandNamedCursor] = set()
        self._ended = False
        # How many statements are under way: one's parameters may ask for another. And the blocks
        # of `Pool.hold` for which the connection is kept, each by who was in it.
        self._running = 0
        self._blocks: list[Block] = []
        # What makes the driver's cursors, with the turn; and tells if one has something to fetch.
        self._make = Maker(wrapper)
        self._has_rows = pool.driver.has_rows
        # What is counted: what it is for, since when, and for how long connections were held.
        self._errand: Errand | None = None
        self._begun = self._since = self._held = 0.0

    # -- having one ----------------------------------------------------------------------

    def _borrow(self, *, for_statement: bool = False) -> Any:
        """Return the connection that is held, checked out if there is none.

        Whoever calls has the turn, and calls `_let_go` when done. *for_statement*: a statement
        is executed next, by whoever asks here.
        """
        conn = self._lent
        if conn is not None:
            return conn
        wrapper = self._wrapper
        if self._ended:
            raise self.interface_error("connection already closed")
        pool = self._pool
        if pool._inner.closed:  # as when a test changes the time zone
            pool = self._pool = wrapper.current_pool()
            self._seen = wrapper._seen
        inner = pool._inner
        tracing = inner.tracing
        whole = not for_statement
        # What the pool notes as the borrower's line is that of the application.
        known = 3 if for_statement else 1  # see `OnDemandCursor`
        depth = 1 + depth_of_asker(known) if tracing.base else 0
        try:
            conn = inner.getconn(None, depth, whole)
        except pool.driver.OperationalError as error:
            if not startup.refused(wrapper.get_connection_params(), error):
                raise
            conn = inner.getconn(None, depth, whole)
        slot = conn._multipool_slot
        self._serial = serial = slot.serial
        slot.span = None
        self._lent = conn
        self._since = now = perf_counter()
        if not whole and tracing.stacks:
            # Until the statement is over this thread has the stack, see `_let_go`.
            slot.live_lease = serial
            if slot.code.co_filename not in application:
                slot.keep_live()
        if self._errand is None and inner.usage_log is not None:
            self._errand = errands.of_caller(depth)
            self._begun = now
        greeted = getattr(conn, "_multipool_greeted", None)
        if greeted != (len(connection_created.receivers), wrapper.alias):
            self._keeping += 1  # not `kept`, which lets go at its end: it is borrowed for a use
            try:
                greet(wrapper, conn, pool.driver)
            except BaseException:
                self.end_lease()
                raise
            finally:
                self._keeping -= 1
            if self._lent is not conn:
                raise self.interface_error("a receiver of connection_created closed the connection")
        if for_statement:
            sight = conn._multipool_sight
            if sight is not None:
                sight.foretold = serial
        return conn

    def _let_go(self) -> None:
        """Give the connection back if nothing binds the next statement to it."""
        conn = self._lent
        if conn is None:
            return
        slot = conn._multipool_slot
        if self._running:  # whoever executes it comes by when it is over
            return
        if slot is None:  # it was closed, as in a forked child
            if not (self._keeping or self._handed_out or self._open) and self._autocommits:
                self.end_lease()
            return
        inner = self._pool._inner
        if self._autocommits and not (self._keeping or self._handed_out or self._open):
            if getattr(conn, "notices", None):
                conn.touch(CLIENT)  # which are of no concern to the next borrower
            if (
                not (slot.touched & ON_SERVER or IDLE < inner.status(conn) < UNKNOWN)
                and not self._is_in_a_block()
            ):
                # As `end_lease` does, but that nothing was handed out and nothing is open.
                self._lent = None
                self._held += perf_counter() - self._since
                inner.endlease(conn, slot, self._serial)
                return
        if slot.live_lease == slot.serial == self._serial:
            slot.keep_live()

    def _join_block(self) -> bool:
        """Have the caller's block of `Pool.hold` keep the connection; return whether one does."""
        block = block_of(self._pool._inner)
        if block is None:
            return False
        if block not in self._blocks:
            if not block.at_end(self, self._let_go_in_turn):
                return False
            self._blocks.append(block)
        return True

    def _is_in_a_block(self) -> bool:
        """Return whether `Pool.hold` keeps the connection, for who asks or for somebody else."""
        self._join_block()
        if self._blocks:
            self._blocks = [one for one in self._blocks if not one.over]
        return bool(self._blocks)

    def _let_go_in_turn(self) -> None:
        with self._turn:
            self._let_go()

    def end_lease(self) -> None:
        """Give back what is held, whatever would bind the next statement to it."""
        conn, self._lent = self._lent, None
        self._handed_out = False
        self._blocks = []
        if conn is None:
            return
        self._held += perf_counter() - self._since
        self._open.clear()  # they will not be closed any more, but by the reset
        slot = conn._multipool_slot
        if slot is not None:  # else it was closed, as in a forked child
            # Our lease and no other, from whatever thread Django closes.
            self._pool._inner.endlease(conn, slot, self._serial)

    def count(self) -> None:
        """Count what connections were held for: it is over."""
        errand, self._errand = self._errand, None
        if errand is not None:
            held, self._held = self._held, 0.0
            log = self._pool._inner.usage_log
            if log is not None:
                lasted = perf_counter() - self._begun
                log.count(errands.view() or errand, TRANSACTION, lasted, held, held)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the connection, once there is one, for a block."""
        self._keeping += 1
        try:
            yield
        finally:
            self._keeping -= 1
            self._let_go_in_turn()

    def is_up_to_date(self) -> bool:
        """Return whether the settings are still those of the pool."""
        seen, wrapper = self._seen, self._wrapper
        return seen is not None and seen is wrapper._seen and seen.holds(wrapper)

    @property
    def lent(self) -> Any:
        """The driver's connection if one is held now, else None."""
        return self._lent

    def unwrap(self) -> Any:
        """Return the driver's own connection, which stays from now on, in autocommit too."""
        with self._turn:
            conn = self._borrow()
            conn.touch(CLIENT)  # whatever is done to it, nobody may see
            # Somebody else's block may end before it is done with.
            if not self._keeping and self._autocommits and not self._join_block():
                self._handed_out = True
        return conn

    def interface_error(self, reason: str) -> Exception:
        """Return the driver's error for the use of what is closed."""
        error: Exception = self._wrapper.Database.InterfaceError(reason)
        return error

    # -- what Django asks of it --------------------------------------------------------------

    @property
    def closed(self) -> int:
        """0 while open, else as the driver has it."""
        if self._ended:
            return 1
        conn = self._lent
        closed: int = 0 if conn is None else conn.closed
        return closed

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction. If not, the connection stays."""
        return self._autocommits

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        with self._turn:
            if self._lent is not None or not value:
                self._borrow().autocommit = value
            self._autocommits = value
            self._let_go()

    def commit(self) -> None:
        """Commit the transaction, if one is open."""
        self._end_transaction("commit")

    def rollback(self) -> None:
        """Roll the transaction back, if one is open."""
        self._end_transaction("rollback")

    def _end_transaction(self, how: str) -> None:
        with self._turn:
            if self._lent is not None or self._ended:
                getattr(self._borrow(), how)()
                self._let_go()

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Return a cursor; one that is asked for anything in particular is the driver's own."""
        if args or options:
            return self.unwrap().cursor(*args, **options)
        return self.create_cursor(None)

    def create_cursor(self, name: str | None) -> Any:
        """Return what Django is to have for a cursor, or for a named one."""
        if name is None:
            return OnDemandCursor(self)
        make = self._make.named
        return OnDemandNamedCursor(self, lambda conn: make(conn, name))

    def cancel(self) -> None:
        """Cancel what is executed, from another thread; does nothing if no connection is held.

        Takes no turn: that has who executes.
        """
        conn = self._lent
        if conn is not None:
            conn.cancel()

    def fileno(self) -> int:
        """Return the number of the socket, of a connection that stays from now on.

        In a forked child that is its own if one is held, and else there is none: who asks, as
        Celery does, asks for the parent's, to close it.
        """
        if self._inherited and self._lent is None:
            raise self.interface_error("no connection is held since the process forked")
        number: int = self.unwrap().fileno()
        return number

    @property
    def info(self) -> ConnectionInfo:
        """What the driver tells of a connection."""
        return ConnectionInfo(self)

    @property
    def _database(self) -> Any:
        """The driver's module, or what stands for it."""
        return self._wrapper.Database

    def _transaction_status(self) -> int:
        """Return the transaction's status, as numbered in `multipool.driver`; borrows nothing.

        What reports on queries asks for it before and after each, when all may be lent.
        """
        with self._turn:
            conn = self._lent
            if conn is None:
                return UNKNOWN if self._ended else IDLE
            return self._pool.driver.status(conn)

    def close(self) -> None:
        """Give back what is held. From here on there is none."""
        # Without the turn, at once: a statement that still runs in another thread is lost.
        self._ended = True
        self.end_lease()
        self.count()

    # -- and all the rest ----------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols that nobody means to be the driver's
            raise AttributeError(name)
        if name == "cancel_safe" and self._lent is not None:
            return self._lent.cancel_safe  # without the turn, as `cancel`
        if name == "get_transaction_status" and hasattr(self._database, "extensions"):
            return self._transaction_status  # psycopg2's, and of what has its face
        with self._turn:
            try:
                found = getattr(self._borrow(), name)
                if name == "get_dsn_parameters":  # psycopg2's
                    told = found()
                    return lambda: told
                if name not in _SAME_OF_ALL:
                    self.unwrap()
            finally:
                self._let_go()
        return found

    def told(self, name: str, *, binds: bool) -> Any:
        """Return what the ``info`` of a connection tells, which stays from now on if this *binds*.

        Not for what it has not: then this raises `AttributeError`.
        """
        with self._turn:
            try:
                found = getattr(self._borrow().info, name)
                if binds:
                    self.unwrap()
            finally:
                self._let_go()
        return found

    def __enter__(self) -> Any:
        return self.unwrap().__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self.unwrap().__exit__(*error)

    def __repr__(self) -> str:
        conn = self._lent
        holds = "closed" if self._ended else "idle" if conn is None else repr(conn)
        return f"<{type(self).__name__} of pool {self._pool.name!r}: {holds}>"
