"""The connection class that a pool of psycopg2 connections lends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extensions import connection as plain_connection
from psycopg2.extensions import cursor as plain_cursor
from psycopg2.extensions import lobject as plain_lobject

from multipool.driver import CLIENT, SESSION, Pooled
from multipool_psycopg2.cursor import watching, watching_named
from multipool_psycopg2.large_objects import stirring
from multipool_psycopg2.observed import observed, observed_named
from multipool_psycopg2.planned import planned

_autocommit: Any = plain_connection.autocommit

#: How many arguments of ``lobject`` come before its factory.
_FACTORY: Final = 4

# What transactions are begun with unless something is set.
_NOTHING: Final = (None, None, None)


def _watched(name: str) -> Any:
    """Return psycopg2's own attribute *name*, whose setting the pool is told of."""
    own = getattr(plain_connection, name)

    def change(conn: Connection, value: Any) -> None:
        own.__set__(conn, value)
        conn.touch(CLIENT)

    return property(own.__get__, change, doc=own.__doc__)


def set_within(block: str, kind: type, name: str) -> Any:
    """Return the attribute *name* of *kind*, set within a *block*: a method of the connection's."""
    own = getattr(kind, name)

    def change(conn: Connection, value: Any) -> None:
        with getattr(conn, block)():
            own.__set__(conn, value)

    return property(own.__get__, change, doc=own.__doc__)


def _characteristic(name: str) -> Any:
    """Return psycopg2's own attribute *name*, which says what transactions are begun with."""
    return set_within("_beginning_otherwise", plain_connection, name)


def _autocommit_watched() -> Any:
    def change(conn: Connection, value: Any) -> None:
        _autocommit.__set__(conn, value)
        conn.touch(conn._autocommit_touches)

    return property(_autocommit.__get__, change, doc=_autocommit.__doc__)


class Connection(Pooled, plain_connection):
    """psycopg2's own connection, whose ``close`` gives it back to its pool.

    A subclass made through psycopg2's factory, so that its C functions (``register_type``,
    ``execute_values``, COPY) and ``cursor_factory`` go on working. Each cursor is of a
    subclass of the class asked for, and tells the pool of statements that touch the session.
    """

    __slots__ = ("_multipool_slot",)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._multipool_slot = None
        super().__init__(*args, **options)

    # What is touched by setting `autocommit`.
    _autocommit_touches = CLIENT

    #: The id of the two-phase transaction that was begun last.
    tpc_xid: Any = None

    if not TYPE_CHECKING:  # to the checkers they are the driver's own
        autocommit = _autocommit_watched()
        isolation_level = _characteristic("isolation_level")
        readonly = _characteristic("readonly")
        deferrable = _characteristic("deferrable")
        cursor_factory = _watched("cursor_factory")
        notices = _watched("notices")
        notifies = _watched("notifies")

    def cursor(  # pyright: ignore[reportIncompatibleMethodOverride]  # three overloads in one
        self,
        name: str | bytes | None = None,
        cursor_factory: Any = None,
        withhold: bool = False,
        scrollable: bool | None = None,
    ) -> Any:
        """Return a cursor, as psycopg2 does."""
        sight = self._multipool_sight
        if sight is not None:
            sight.cursor_made()
        # Whoever has a cursor may register types on the connection, which nobody sees.
        self.touch_unless_settled()
        default: Any = self.cursor_factory
        factory = self._seeing(cursor_factory or default or plain_cursor)
        if name is None:
            factory = self._in_use(factory)
        elif isinstance(factory, type):
            factory = watching_named(factory)
            if sight is not None:
                factory = observed_named(factory)
        return super().cursor(
            name, cursor_factory=factory, withhold=withhold, scrollable=scrollable
        )

    def lobject(self, *args: Any, **options: Any) -> Any:
        """Open a large object, as psycopg2 does."""
        sight = self._multipool_sight
        make: Any = super().lobject
        *rest, factory = args if len(args) > _FACTORY else (*args, None)
        factory = options.pop("lobject_factory", factory) or plain_lobject
        if sight is None or not isinstance(factory, type):
            return make(*rest, lobject_factory=factory, **options)
        sight.stirs()
        found = make(*rest, lobject_factory=stirring(factory), **options)
        found.sight = sight
        return found

    def settle(self) -> None:
        """Touch if there is something to put back."""
        slot = self._multipool_slot
        if slot is not None and not slot.settings.hold(self):
            self.touch(CLIENT)

    def private_cursor(self) -> Any:
        """Return a new cursor for who shows it to nobody."""
        if self._multipool_sight is not None:
            self._multipool_sight.cursor_made()
        default: Any = self.cursor_factory
        return super().cursor(cursor_factory=self._in_use(self._seeing(default or plain_cursor)))

    def _in_use(self, factory: Any) -> Any:
        """Return what makes cursors that go by the pool's plans, and tell what they execute.

        Not for named cursors: what these execute is part of their declaration.
        """
        if isinstance(factory, type):
            if self._multipool_shelf is not None:
                factory = planned(factory)
            if self._multipool_sight is not None:
                factory = observed(factory)
        return factory

    def _seeing(self, factory: Any) -> Any:
        """Return what makes cursors as *factory* does, whose statements are seen."""
        if isinstance(factory, type):
            return watching(factory)
        self.touch(SESSION)  # a function may make anything
        return factory

    @contextmanager
    def _beginning_otherwise(self) -> Iterator[None]:
        """Change in a block what transactions are begun with, and touch what that touches.

        In autocommit, which begins none, psycopg2 sets the session's defaults instead, and takes
        them back when it leaves that.
        """
        alone, before = _autocommit.__get__(self), self._begun_with()
        try:
            yield
        finally:
            if not self.closed:
                after = self._begun_with()
                alone = alone or _autocommit.__get__(self)
                self.touch(CLIENT | SESSION if alone and before + after != _NOTHING * 2 else CLIENT)
                self._autocommit_touches = CLIENT if after == _NOTHING else CLIENT | SESSION

    def _begun_with(self) -> tuple[Any, ...]:
        return self.isolation_level, self.readonly, self.deferrable

    def set_session(self, *args: Any, **options: Any) -> None:
        """Set isolation, read-only, deferrable and autocommit, as psycopg2 does."""
        with self._beginning_otherwise():
            super().set_session(*args, **options)

    def set_isolation_level(self, level: int | None) -> None:
        """Set the isolation level, as psycopg2 does."""
        with self._beginning_otherwise():
            super().set_isolation_level(level)

    def reset(self) -> None:
        """Roll back and reset the session, as psycopg2 does: what `configure` set goes too."""
        self.touch(CLIENT | SESSION)
        super().reset()

    def set_client_encoding(self, encoding: str) -> None:
        """Set the encoding, here and on the server."""
        self.touch(CLIENT | SESSION)
        super().set_client_encoding(encoding)

    def tpc_begin(self, xid: Any) -> None:
        """Begin a two-phase transaction, which may outlive the lease."""
        self.touch(CLIENT)
        self.tpc_xid = xid
        super().tpc_begin(xid)
