"""The binding of Django's PostgreSQL wrapper to a pool, the same for every driver."""

from __future__ import annotations

import time
from _thread import get_ident
from asyncio import _get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from django.core.checks import register
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils.asyncio import async_unsafe

from multipool import Pool
from multipool.watch.library import is_library
from multipool.watch.usage import Span
from multipool_django import errands, isolation, passwords, querysets, shortcut, startup
from multipool_django.callers import depth_of_asker
from multipool_django.checks import check_pooled_aliases
from multipool_django.cursors import refusing, wrapper_class
from multipool_django.ended_cursors import end_all
from multipool_django.hold.connecting import connect_on_demand
from multipool_django.hold.connection import OnDemandConnection
from multipool_django.hold.cursor import OnDemandCursor
from multipool_django.hold.greeting import forget
from multipool_django.hold.making import adopt
from multipool_django.known_settings import known
from multipool_django.pooled_alias import PooledAlias
from multipool_django.snapshot import origins
from multipool_django.validation import PoolValidation


class PooledWrapper(PooledAlias):
    """Takes its connection from a pool when Django connects, gives it back when it closes.

    Stands in front of Django's own ``DatabaseWrapper`` of a driver. Django opens a
    connection with the first query of a request and closes it at the end; so does this,
    and a connection lives on in the pool. What Django sets up after connecting is done
    once for each physical connection.
    """

    validation_class = PoolValidation

    # Which lease of the connection is ours: see `_close`.
    _serial = 0
    # What is counted of that lease, if anything is.
    _span: Span | None = None
    # The cursors on the server that were made in it, as far as there are any.
    _named: WeakSet[Any] | None = None
    #: Whether a subclass does more than `init_connection_state` here, as for each connect.
    sets_state: ClassVar[bool] = False
    # Django's ``create_cursor`` without its look for an event loop.
    _create_cursor: ClassVar[Any]

    # Django's own, which django-stubs leave out.
    _thread_ident: int
    if TYPE_CHECKING:

        def _prepare_cursor(self, cursor: Any) -> Any: ...
        def _configure_timezone(self, connection: Any) -> bool: ...

    @async_unsafe
    def connect(self) -> None:
        """Connect, that is: check a connection out of the pool, or get ready to do so."""
        if self._connect_as_last():
            return
        on_demand = self.pooled and self.holds_by_transaction
        if on_demand:
            connect_on_demand(self)
        else:
            super().connect()
        # The end of a request gives it back, whatever CONN_MAX_AGE the settings have; who
        # changes that for a living wrapper, as Django's own tests do, knows why.
        if self.pooled and self.settings_dict["CONN_MAX_AGE"] == self._configured_max_age:
            self.close_at = time.monotonic()
            seen = self._snapshot()
            seen.is_plain = shortcut.is_open_to(type(self), PooledWrapper)
            seen.was_gone = seen.is_plain and not on_demand

    def _connect_as_last(self, for_cursor: bool = False) -> bool:
        """Connect as was done last, unless something has changed since; return whether it did.

        *for_cursor*: by who is about to make one.
        """
        seen = self._seen
        if (
            seen is None
            or not seen.was_gone
            or BaseDatabaseWrapper.connect is not shortcut.connect
            # As `Snapshot.holds` has it, but for the call.
            or seen.origins != origins(self)
            or seen.use_tz != known.USE_TZ
        ):
            return False
        pool = seen.pool
        if pool is None or pool._inner.closed:
            return False
        depth = 2 + depth_of_asker(2 if for_cursor else 1) if pool._inner.tracing.base else 0
        connection = self._check_out(pool, seen.params, depth, for_cursor)
        shortcut.settle(self, connection)
        return True

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection from the pool, or a new one if pooling is off."""
        if not self.pooled:
            settings = self.settings_dict
            self.settings_dict = isolation.with_own(settings, self.IsolationLevel)
            try:
                return super().get_new_connection(passwords.resolved(conn_params))
            finally:
                self.settings_dict = settings
        pool = self._find_current_pool(conn_params)
        # What the pool notes as the borrower's line is not ours, the first of its callers.
        depth = 2 + depth_of_asker()
        connection = self._check_out(pool, conn_params, depth)
        if self.sets_state:
            self._forget_others(pool, connection)
        return connection

    def _check_out(
        self, pool: Pool, params: dict[str, Any], depth: int, for_cursor: bool = False
    ) -> Any:
        inner = pool._inner
        # With a cursor a statement will come, whose stack stands in for the lease's. That does
        # not tell the task of asyncio.
        alone = not for_cursor or _get_running_loop() is not None
        try:
            connection = inner.getconn(None, depth, alone)
        except pool.driver.OperationalError as error:
            if not startup.refused(params, error):
                raise
            connection = inner.getconn(None, depth, alone)
        if connection_created.receivers:
            self._forget_others(pool, connection)
        slot = connection._multipool_slot
        # What each cursor and each transaction would have the pool clean is seen to by `_close`.
        self._serial = slot.settled_lease = slot.serial
        slot.has_past = True
        if for_cursor and (sight := connection._multipool_sight) is not None:
            sight.cursor_foretold = self._serial
        usage_log = inner.usage_log
        if usage_log is not None:
            span = slot.span
            if span is None:
                slot.span = span = Span(connection._multipool_sight, usage_log)
            span.start(slot.serial, errands.of_caller(depth))
            self._span = span
        return connection

    def _forget_others(self, pool: Pool, connection: Any) -> None:
        # What those set who are told once, of an alias that shares the pool.
        try:
            forget(connection, pool.driver)
        except BaseException:
            pool.putconn(connection)
            raise

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.sets_state = cls.init_connection_state is not PooledWrapper.init_connection_state
        create: Any = super().create_cursor
        cls._create_cursor = getattr(create, "__wrapped__", create)

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor of the connection, or one that borrows a connection itself."""
        if isinstance(self.connection, OnDemandConnection):
            return self.connection.create_cursor(name)
        cursor = super().create_cursor(name)
        if name and self.pooled:
            adopt(self.connection, cursor)
            if self._named is None:
                self._named = WeakSet()
            self._named.add(cursor)
        return cursor

    def cursor(self) -> Any:
        """Return a cursor, having connected if need be, as Django does."""
        if _get_running_loop() is None and BaseDatabaseWrapper.cursor is shortcut.cursor:
            return self._cursor()
        return super().cursor()

    def _cursor(self, name: str | None = None) -> Any:
        if self.connection is None:
            try:
                if not (shortcut.is_straight(self, _connect) and self._connect_as_last(True)):
                    self.ensure_connection()
            except Exception:
                with self.wrap_database_errors:
                    raise
        else:
            if not (self.pooled and shortcut.ensures(self)):  # one that was lent is as it should
                self.close_if_health_check_failed()
                self.ensure_connection()
            if self._was_given_back():
                self._refuse_given_back()
        seen = self._seen
        try:
            if seen is not None and seen.is_plain and name is None:
                # The same as below with fewer calls: nobody has a say in it but Django.
                connection = self.connection
                if type(connection) is OnDemandConnection:
                    cursor: Any = OnDemandCursor(connection)
                else:
                    cursor = self._create_cursor()
                if self._thread_ident == get_ident() and not (
                    self.force_debug_cursor or known.DEBUG
                ):
                    return wrapper_class()(cursor, self)
                return self._prepare_cursor(cursor)
            return self._prepare_cursor(self.create_cursor(name))
        except Exception:
            with self.wrap_database_errors:
                raise

    def _was_given_back(self) -> bool:
        """Return whether somebody ended our lease by the connection's own ``close``.

        Then the connection may be another's by now.
        """
        slot = getattr(self.connection, "_multipool_slot", None)
        return slot is not None and (slot.serial != self._serial or not slot.leased)

    def _refuse_given_back(self) -> None:
        with self.wrap_database_errors:
            raise self.Database.InterfaceError("connection already closed")

    def is_usable(self) -> bool:
        """Return whether the connection answers."""
        return not self._was_given_back() and super().is_usable()

    def make_cursor(self, cursor: Any) -> Any:
        """Return what Django is to have of the driver's *cursor*."""
        return wrapper_class()(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        """Return the same where Django logs what is executed."""
        made: Any = super().make_debug_cursor(cursor)
        theirs: Any = type(made)
        with suppress(TypeError):  # a tracer's proxy
            made.__class__ = refusing(theirs)
            made.made_on = self.connection
        return made

    def validate_thread_sharing(self) -> None:
        """Raise `DatabaseError` if this thread may not use the wrapper."""
        # Django asks whether it is shared first, for which it takes a lock.
        if self._thread_ident != get_ident():
            super().validate_thread_sharing()

    def _set_autocommit(self, autocommit: bool) -> None:
        if self._was_given_back():
            self._refuse_given_back()
        # At each checkout it is asked for what a pooled connection is in already.
        if self.connection.autocommit is not autocommit:
            with self.wrap_database_errors:
                self.connection.autocommit = autocommit
        span = self._span
        if span is not None:
            if autocommit:
                span.end()
            else:
                span.begin()

    def _commit(self) -> None:
        if self._was_given_back():
            self._refuse_given_back()
        connection = self.connection
        if connection is None or self.queries_logged or _base._commit is not shortcut.commit:
            super()._commit()
            return
        # Django's own is the same, within the context manager that logs it.
        with self.wrap_database_errors:
            connection.commit()

    def _rollback(self) -> None:
        if self._was_given_back():
            self._refuse_given_back()
        super()._rollback()

    def init_connection_state(self) -> None:
        """Do what is left to do at each checkout; `Opening` has done the rest."""
        if self.pooled:
            # Past Django's PostgreSQL wrapper, to the check of the server's version.
            BaseDatabaseWrapper.init_connection_state(self)
        else:
            super().init_connection_state()

    def ensure_timezone(self) -> bool:
        """Have new connections pick up a changed time zone; return whether one is needed here.

        Called when a test overrides ``TIME_ZONE`` or ``USE_TZ``.
        """
        # The connection that is out is changed too, so it must not get back into a pool
        # whose connections have the old zone.
        self.close_pool()
        connection = self.connection
        if isinstance(connection, OnDemandConnection):
            connection = connection.lent
        if connection is None:
            return False
        return self._configure_timezone(connection)

    def close(self) -> None:
        """Close the connection, that is: give it back."""
        if _get_running_loop() is not None or BaseDatabaseWrapper.close is not shortcut.close:
            super().close()
            return
        seen = self._seen
        if seen is None or not seen.is_plain or self._thread_ident != get_ident():
            shortcut.close_here(self)
            return
        # The same with fewer calls.
        self.run_on_commit = []
        if self.closed_in_transaction or self.connection is None:
            return
        try:
            self._close()
        finally:
            if self.in_atomic_block:
                self.closed_in_transaction = True
                self.needs_rollback = True
            else:
                self.connection = None  # whatever a `_close` of somebody else's left

    def close_if_health_check_failed(self) -> None:
        """Leave it to the pool, which lends no connection that is known to be dead."""
        if not self.pooled:
            super().close_if_health_check_failed()

    def close_if_unusable_or_obsolete(self) -> None:
        """Give back what the request held, at its end."""
        stand_in = self.connection
        if not (
            isinstance(stand_in, OnDemandConnection)
            and stand_in.autocommit
            and not stand_in.closed
            and self.settings_dict["AUTOCOMMIT"]
        ):
            super().close_if_unusable_or_obsolete()
        elif stand_in.is_up_to_date() and type(self).close is _close:
            # It stands for the next request's connections as well, and of those that had
            # errors none is left.
            stand_in.end_lease()
            stand_in.count()
            self.errors_occurred = False
        else:  # the next request's are elsewhere, or a subclass waits for this to be over
            self.close()

    def _close(self) -> None:
        connection = self.connection
        slot = getattr(connection, "_multipool_slot", None)
        if slot is None and not self.pooled:
            super()._close()
            return
        # At once, even inside atomic(): from here on it may be somebody else's.
        self.connection = None
        named = self._named
        if named is not None:
            self._named = None
            end_all(named, self.Database.InterfaceError)
        try:
            if slot is None:
                connection.close()
            else:
                # Our lease and no other: somebody may have closed it under us, and it is
                # back in the pool, perhaps lent again. From whatever thread Django closes.
                if slot.serial == self._serial:
                    if self._span is not None and slot.leased:
                        self._span.finish(slot, errands.view())
                    connection.settle()
                    slot.settled_lease = 0
                    inner: Any = slot.home()
                    if inner is not None:
                        inner.endlease(connection, slot, self._serial)
                    else:  # the pool was dropped while this was out
                        slot.end(connection, self._serial)
                self._span = None
        except Exception:
            with self.wrap_database_errors:
                raise

    @contextmanager
    def temporary_connection(self) -> Iterator[Any]:
        """Yield a cursor of a connection that is there for the block, whoever made it."""
        with super().temporary_connection() as cursor:
            stand_in = self.connection
            on_demand = isinstance(stand_in, OnDemandConnection)
            with stand_in.kept() if on_demand else nullcontext():
                yield cursor


_connect = PooledWrapper.connect
_close = PooledWrapper.close
_base: Any = BaseDatabaseWrapper  # of which django-stubs leave something out

# Here, so that it runs wherever an ENGINE of ours is in use, without any entry in
# INSTALLED_APPS.
register(check_pooled_aliases, "multipool")
# Reports show the application's frames first, and ours are none of them.
is_library.add(Path(__file__).parent)
querysets.register()
