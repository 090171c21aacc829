"""Connections whose BEGIN travels with the first statement of a transaction.

psycopg2 sends BEGIN by itself and waits for the answer. Here the connection underneath
stays in psycopg2's autocommit, in which it sends none, and this class begins and ends the
transactions: `autocommit` is what the user set, not what psycopg2 is told. What psycopg2
offers only outside of its autocommit it does by itself then (see `step_back`), until the
transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from psycopg2 import ProgrammingError
from psycopg2.extensions import STATUS_BEGIN, STATUS_READY
from psycopg2.extensions import connection as plain_connection
from psycopg2.extensions import cursor as plain_cursor

from multipool.driver import IDLE, INERROR, INTRANS
from multipool_psycopg2.connection import Connection, set_within
from multipool_psycopg2.cursor import behind_users
from multipool_psycopg2.observed import observed
from multipool_psycopg2.piggyback_cursor import PiggybackCursor
from multipool_psycopg2.planned import planned

# What psycopg2 calls the isolation levels 1 to 4.
_LEVELS: Final = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED")

# psycopg2's own attributes and methods, past those of the classes between.
_autocommit: Any = plain_connection.autocommit
_status: Any = plain_connection.status
_transaction_status = plain_connection.get_transaction_status
_cursor = plain_connection.cursor


def _characteristic(name: str) -> Any:
    """Return the attribute *name* of `Connection`, set as it is outside of autocommit."""
    return set_within("_as_psycopg2", Connection, name)


@cache
def _piggyback(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that carries BEGIN."""
    if issubclass(factory, PiggybackCursor):
        return factory
    users = behind_users(factory, _piggyback)
    if users is not None:
        return users
    return type(factory.__name__, (PiggybackCursor, factory), {"__module__": factory.__module__})


@cache
def _unnamed(factory: type, has_plans: bool, is_watched: bool) -> type:
    """Return the class of a connection's unnamed cursors, all in one."""
    made = _piggyback(factory)
    if has_plans:
        made = planned(made)
    return observed(made) if is_watched else made


@cache
def _begin(level: int | None, readonly: bool | None, deferrable: bool | None) -> bytes:
    words = ["BEGIN"]
    if level is not None:
        words.append(f"ISOLATION LEVEL {_LEVELS[level - 1]}")
    if readonly is not None:
        words.append("READ ONLY" if readonly else "READ WRITE")
    if deferrable is not None:
        words.append("DEFERRABLE" if deferrable else "NOT DEFERRABLE")
    return " ".join(words).encode()


class PiggybackConnection(Connection):
    """A `Connection` that sends BEGIN in one message with a transaction's first statement.

    Its cursors begin the transactions. One made from its class directly, not by `cursor`, does
    not.
    """

    __slots__ = ()  # a `Connection` is made one of these by `piggyback_begin`

    # What the user set.
    _wants_autocommit: bool

    if not TYPE_CHECKING:  # to the checkers they are the driver's own
        isolation_level = _characteristic("isolation_level")
        readonly = _characteristic("readonly")
        deferrable = _characteristic("deferrable")

        def _set_autocommit(self, value: bool) -> None:
            if _transaction_status(self) != IDLE or not _autocommit.__get__(self):
                self._refuse_in_transaction("set_session")
                self._rejoin()
            self.touch_unless_settled()
            self._wants_autocommit = bool(value)

        # Read in C, since each checkout and each return does.
        autocommit = property(
            attrgetter("_wants_autocommit"),
            _set_autocommit,
            doc="Whether each statement is its own transaction. Cannot be set in a transaction.",
        )

        @property
        def status(self) -> int:
            """psycopg2's status, which knows of a transaction that was begun here."""
            return STATUS_BEGIN if self._begun_here() else _status.__get__(self)

    # -- beginning and ending ------------------------------------------------------------

    @property
    def begin_due(self) -> bytes:
        """The BEGIN that the next statement is to bring, or nothing."""
        if self._wants_autocommit or _transaction_status(self) != IDLE:
            return b""
        return self._begin() if _autocommit.__get__(self) else b""

    def _begin(self) -> bytes:
        return _begin(self.isolation_level, self.readonly, self.deferrable)

    def begin(self) -> None:
        """Send BEGIN by itself if it is due, for what cannot bring it."""
        begin = self.begin_due
        if begin:
            self._run(begin)

    def begin_anew(self) -> None:
        """Send BEGIN by itself, after an error of the statement that was to bring it."""
        begin = self._begin()
        self._run(begin if _transaction_status(self) == IDLE else b"ROLLBACK;" + begin)

    def _run(self, sql: bytes) -> None:
        self._rejoin()  # else psycopg2 would send a BEGIN before it
        plain_cursor(self).execute(sql)

    def _begun_here(self) -> bool:
        """Return whether a transaction is open of which psycopg2 does not know."""
        return (
            not self._wants_autocommit
            and _transaction_status(self) in (INTRANS, INERROR)
            and _status.__get__(self) == STATUS_READY
        )

    def commit(self) -> None:
        """Commit the transaction, if one is open."""
        if self._begun_here():
            self._run(b"COMMIT")
        else:
            super().commit()
            self._rejoin()

    def rollback(self) -> None:
        """Roll the transaction back, if one is open."""
        if self._begun_here():
            self._run(b"ROLLBACK")
        else:
            super().rollback()
            self._rejoin()

    # -- what psycopg2 does by itself -------------------------------------------------------

    def step_back(self) -> None:
        """Have psycopg2 begin and end the next transaction, up to its end."""
        if not self._wants_autocommit:
            _autocommit.__set__(self, False)

    def _rejoin(self) -> None:
        """Take over again from psycopg2."""
        # Only where need be: psycopg2 lets other threads run meanwhile, who may take long.
        if self.closed or not _autocommit.__get__(self):
            _autocommit.__set__(self, True)

    @contextmanager
    def _as_psycopg2(self) -> Iterator[None]:
        """Let psycopg2 change what it begins transactions with, autocommit among it."""
        self._refuse_in_transaction("set_session")
        self.step_back()
        try:
            yield
        finally:
            if not self.closed:
                self._wants_autocommit = bool(_autocommit.__get__(self))
                self._rejoin()

    def _refuse_in_transaction(self, what: str) -> None:
        if self._begun_here():
            raise ProgrammingError(f"{what} cannot be used inside a transaction")

    def set_session(self, *args: Any, **options: Any) -> None:
        """Set isolation, read-only, deferrable and autocommit, as psycopg2 does."""
        with self._as_psycopg2():
            super().set_session(*args, **options)

    def set_isolation_level(self, level: int | None) -> None:
        """Roll back and set the isolation level, as psycopg2 does."""
        self.rollback()
        with self._as_psycopg2():
            super().set_isolation_level(level)

    def set_client_encoding(self, encoding: str) -> None:
        """Set the encoding, outside of any transaction as psycopg2 does."""
        if encoding.upper().replace("-", "").replace("_", "") != self.encoding:
            self.rollback()
        super().set_client_encoding(encoding)

    def reset(self) -> None:
        """Roll back and reset the session, as psycopg2 does."""
        self.rollback()
        with self._as_psycopg2():
            super().reset()

    def tpc_begin(self, xid: Any) -> None:
        """Begin a two-phase transaction."""
        self._refuse_in_transaction("tpc_begin")
        self.step_back()
        super().tpc_begin(xid)

    def lobject(self, *args: Any, **options: Any) -> Any:
        """Open a large object.

        In a transaction that has begun already, the server warns of a second BEGIN.
        """
        self.step_back()
        return super().lobject(*args, **options)

    def __enter__(self) -> Any:
        # Under its autocommit psycopg2 would begin a transaction for the block.
        return super().__enter__() if self._wants_autocommit else self

    if not TYPE_CHECKING:

        def cursor(self, name=None, cursor_factory=None, withhold=False, scrollable=None) -> Any:
            """Return a cursor, as psycopg2 does."""
            if name is None and cursor_factory is None and not withhold and scrollable is None:
                factory = self.cursor_factory or plain_cursor
                if isinstance(factory, type):  # as for each query
                    slot = self._multipool_slot
                    if slot is None or slot.settled_lease != slot.serial:
                        self.touch_unless_settled()
                    shelf, sight = self._multipool_shelf, self._multipool_sight
                    made = _unnamed(factory, shelf is not None, sight is not None)
                    if sight is not None:
                        if slot is not None and sight.cursor_foretold == slot.serial:
                            # As `cursor_made` does.
                            sight.cursor = None
                            sight.cursor_lease = slot.serial
                            sight.cursor_foretold = -1
                        else:
                            sight.cursor_made()
                    if factory is plain_cursor and not self.closed:
                        # In two thirds of the time: all that psycopg2's own does for it beside is
                        # to set what an unnamed cursor does not heed.
                        return made(self)
                    return _cursor(self, cursor_factory=made)
            return super().cursor(name, cursor_factory, withhold, scrollable)

    def private_cursor(self) -> Any:
        """Return a new cursor for who shows it to nobody."""
        default: Any = self.cursor_factory
        factory = default or plain_cursor
        if not isinstance(factory, type):
            return super().private_cursor()
        sight = self._multipool_sight
        if sight is not None:
            sight.cursor_made()
        made = _unnamed(factory, self._multipool_shelf is not None, sight is not None)
        return _cursor(self, cursor_factory=made)

    def _seeing(self, factory: Any) -> Any:
        if isinstance(factory, type):
            return _piggyback(factory)
        self.begin()  # what it makes will not
        return super()._seeing(factory)


def piggyback_begin(conn: Connection) -> None:
    """Make an idle connection a `PiggybackConnection`."""
    wanted = conn.autocommit
    conn.__class__ = PiggybackConnection
    vars(conn)["_wants_autocommit"] = wanted
    _autocommit.__set__(conn, True)
