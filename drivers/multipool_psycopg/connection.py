"""The connection class that a pool of psycopg connections lends."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from multipool.driver import CLIENT, Pooled
from multipool_psycopg.adapters import WatchedAdapters
from multipool_psycopg.cursor import replaced, watching
from multipool_psycopg.observed import observed, unobserved
from multipool_psycopg.planned import planned

# What a borrower may set, by these names or by methods that end up here.
_SETTINGS: Final = frozenset(
    [
        *("_autocommit", "_isolation_level", "_read_only", "_deferrable", "row_factory"),
        *("prepare_threshold", "prepared_max"),
    ]
)
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

    def _cursor_class(self, factory: type) -> type:
        return watching(factory) if self._multipool_shelf is None else planned(factory)

    def _observed_class(self, factory: type) -> type:
        made = self._cursor_class(factory)
        return made if self._multipool_sight is None else observed(made)

    #: Where psycopg looks for a pool of its own. With one, which it keeps even while its pool
    #: closes it, a connection is not closed at the end of its ``with`` block, and psycopg does
    #: not warn when it is collected: the pool reports that.
    _pool: Any

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
