"""The connection class that a pool of psycopg connections lends."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any, Final

import psycopg
from psycopg.pq import ConnStatus

from multipool.driver import CLIENT, Pooled
from multipool.session import innocent
from multipool.watch.library import application
from multipool.watch.stacks import caller
from multipool_psycopg.adapters import WatchedAdapters
from multipool_psycopg.cursor import Watching, replaced, watching
from multipool_psycopg.observed import everyday, observed, unobserved
from multipool_psycopg.planned import planned

# What a borrower may set, by these names or by methods that end up here.
_SETTINGS: Final = frozenset(
    [
        *("_autocommit", "_isolation_level", "_read_only", "_deferrable", "row_factory"),
        *("prepare_threshold", "prepared_max"),
    ]
)
_OK: Final = ConnStatus.OK

_frame = sys._getframe
_FACTORIES: Final = frozenset(["cursor_factory", "server_cursor_factory"])


class Connection(Pooled, psycopg.Connection[Any]):
    """psycopg's own connection, whose ``close`` gives it back to its pool.

    Its cursor factories are subclasses of those that are set, whose cursors tell the pool of
    statements that touch the session; a cursor made from another class by hand does not. What
    is set on the connection is noted as it is set, so that reading and querying go psycopg's
    own way.
    """

    __slots__ = ("_multipool_slot",)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._multipool_slot = None
        super().__init__(*args, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SETTINGS:
            self.touch(CLIENT)
        elif name in _FACTORIES:
            self.touch(CLIENT)
            value = replaced(unobserved(value), self._observed_class)
            if name == "cursor_factory":
                self._everyday = everyday(value)
        elif name == "_adapters" and value is not None:  # made when somebody first asks for them
            value = WatchedAdapters(self, value)
        elif name == "_multipool_slot" and value is not None:
            self._pool = value
        super().__setattr__(name, value)

    def settle(self) -> None:
        """Touch if what may change without a touch is not as it was."""
        slot = self._multipool_slot
        if slot is not None and self._autocommit != slot.settings.autocommit:
            self.touch(CLIENT)

    #: Its cursor factory, where what `execute` does can be done at once, else None.
    _everyday: Any = None

    def _cursor_class(self, factory: type) -> type:
        return watching(factory) if self._multipool_shelf is None else planned(factory)

    def _observed_class(self, factory: type) -> type:
        made = self._cursor_class(factory)
        return made if self._multipool_sight is None else observed(made)

    #: Where psycopg looks for a pool of its own. With one, which it keeps even while its pool
    #: closes it, a connection is not closed at the end of its ``with`` block, and psycopg does
    #: not warn when it is collected: the pool reports that.
    _pool: Any

    def cursor(  # pyright: ignore[reportIncompatibleMethodOverride]  # its overloads in one
        self,
        name: str = "",
        *,
        binary: bool = False,
        row_factory: Any = None,
        scrollable: bool | None = None,
        withhold: bool = False,
    ) -> Any:
        """Return a cursor, as psycopg does."""
        sight = self._multipool_sight
        if sight is not None:
            sight.cursor_made()
        if name or binary or self.pgconn.status != _OK:
            return super().cursor(
                name,
                binary=binary,
                row_factory=row_factory,
                scrollable=scrollable,
                withhold=withhold,
            )
        # What psycopg does then. A call of it would cost more than what is seen here.
        return self.cursor_factory(self, row_factory=row_factory or self.row_factory)

    def adopt(self, cursor: Any) -> None:
        """Have the pool told of what *cursor* does, which may not have been made by `cursor`."""
        if isinstance(cursor, Watching):
            return
        sight = self._multipool_sight
        if sight is not None:
            sight.cursor_made()
        cursor.__class__ = self._observed_class(type(cursor))

    def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any:
        """Execute *query* on a new cursor and return that, as psycopg does."""
        sight = self._multipool_sight
        factory = self._everyday
        if not (
            factory is not None
            and sight.tracing.brief
            and prepare is None
            and not binary
            and type(query) is str
            and query in innocent
            and not self.pgconn.status  # OK
        ):
            return self._execute_at_length(query, params, prepare, binary)
        # All that this comes to, in line: the cursor is made and used at the same place.
        try:
            frame = _frame(1)
        except ValueError:  # called by no Python code, as in a new thread
            frame = _frame(0)
        code = frame.f_code
        place = (code, frame.f_lasti) if code.co_filename in application else caller(frame)
        sight.cursor = sight.query = place
        sight.cursor_lease = sight.query_lease = sight.slot.serial
        cursor = factory(self)  # whose rows are made by the connection's row factory
        sight.statement = query
        try:
            return factory._multipool_plain(cursor, query, params)
        finally:
            sight.quiet_since = perf_counter()
            sight.statement = None

    def _execute_at_length(self, query: Any, params: Any, prepare: Any, binary: bool) -> Any:
        sight = self._multipool_sight
        if sight is not None:
            sight.cursor_made(3)
        if binary or self.pgconn.status != _OK:
            return super().execute(query, params, prepare=prepare, binary=binary)
        cursor = self.cursor_factory(self, row_factory=self.row_factory)
        if params is None and prepare is None:
            return cursor.execute(query)
        return cursor.execute(query, params, prepare=prepare)

    def add_notice_handler(self, callback: Any) -> None:
        """Call *callback* with each notice, until the connection is returned."""
        self.touch(CLIENT)
        super().add_notice_handler(callback)

    def add_notify_handler(self, callback: Any) -> None:
        """Call *callback* with each notification, until the connection is returned."""
        self.touch(CLIENT)
        super().add_notify_handler(callback)

    def notifies(self, *args: Any, **options: Any) -> Any:
        """Yield notifications, as psycopg does."""
        self.touch(CLIENT)
        return super().notifies(*args, **options)

    def remove_notice_handler(self, callback: Any) -> None:
        """Call *callback* no more, until the connection is returned."""
        self.touch(CLIENT)
        super().remove_notice_handler(callback)

    def remove_notify_handler(self, callback: Any) -> None:
        """Call *callback* no more, until the connection is returned."""
        self.touch(CLIENT)
        super().remove_notify_handler(callback)

    def transaction(self, *args: Any, **options: Any) -> Any:
        """Begin a transaction or a savepoint for a block, as psycopg does."""
        if self._multipool_sight is not None:  # no cursor tells of that BEGIN
            self._multipool_sight.stirs()
        return super().transaction(*args, **options)

    def tpc_begin(self, xid: Any) -> None:
        """Begin a two-phase transaction, which may outlive the lease."""
        self.touch(CLIENT)
        super().tpc_begin(xid)
