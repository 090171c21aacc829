"""Cursors that execute prepared what the pool has plans for.

psycopg prepares by the protocol, so its own machinery is told what to prepare. Its client
cursors, which Django uses, write the parameters into the text, and have no such thing: what
they execute is prepared by SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.sql import Composable

from multipool.driver import INERROR
from multipool.plans import limits
from multipool.plans.by_text import PlannedByText
from multipool.plans.recovery import NOT_SUPPORTED, may_run_again
from multipool.plans.shelf import BATCH, Shelf
from multipool.plans.statement import DROP_OURS, Quick, Wording
from multipool_psycopg.cursor import Watching, behind_users, watching
from multipool_psycopg.kept import FOR_THE_POOL

if TYPE_CHECKING:
    _Base = Watching
else:
    _Base = object

_FATAL: Final = psycopg.pq.ExecStatus.FATAL_ERROR


class _Planned(_Base):
    """In front of a cursor class that watches."""

    __slots__ = ()

    if TYPE_CHECKING:
        #: Executes prepared what needs no thinking about; returns False if it does.
        _execute_quick: Callable[[Shelf, Quick, str, Any], bool]
        #: Executes a wording prepared; returns False if it is to run as it stands.
        _execute_prepared_now: Callable[[Shelf, Wording, str, Any], bool]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        conn: Any = self._conn
        shelf: Shelf = conn._multipool_shelf
        # Who says whether to prepare, or collects statements in a pipeline, knows why.
        if type(query) is not str or options or conn._pipeline is not None:
            if isinstance(query, Composable) and not options:
                return _Planned.execute(self, query.as_string(self), params)
            return self._execute_other(shelf, query, params, options)
        quick = shelf.quick.get(query)
        if (
            quick is not None
            and quick.guard.trusted
            and self._execute_quick(shelf, quick, query, params)
        ):
            return self
        wording = shelf.find(conn, query)
        if wording is None:
            return self._execute_other(shelf, query, params, options)
        if shelf.rests(wording.statement):
            return super().execute(query, params, prepare=False)
        if not self._execute_prepared_now(shelf, wording, query, params):
            begun = perf_counter()
            super().execute(query, params, prepare=False)
            shelf.note_unprepared(wording.statement, perf_counter() - begun)
        return self

    def _execute_other(self, shelf: Shelf, query: Any, params: Any, options: Any) -> Any:
        try:
            return super().execute(query, params, **options)
        except psycopg.Error as error:
            _drop_what_is_old(shelf, error)
            raise
        finally:
            shelf.look_at(self._conn, self._text(query))

    def executemany(self, query: Any, *args: Any, **options: Any) -> None:
        """Execute *query* for each of the parameters, as psycopg does."""
        conn: Any = self._conn
        shelf: Shelf = conn._multipool_shelf
        try:
            super().executemany(query, *args, **options)
        except psycopg.Error as error:
            _drop_what_is_old(shelf, error)
            raise
        finally:
            shelf.look_at(conn, self._text(query))


class PlannedCursor(_Planned):
    """For cursors whose parameters travel apart from the text: psycopg prepares."""

    __slots__ = ()

    #: Executes what was looked at already: psycopg's own method, or one that carries a BEGIN.
    _straight: Callable[..., object]

    def _execute_prepared_now(
        self, shelf: Shelf, wording: Wording, query: str, params: Any
    ) -> bool:
        conn: Any = self._conn
        statement = wording.statement
        status = conn.pgconn.transaction_status
        if status == INERROR or not (shelf.wants(statement) and _ready(conn, shelf)):
            return False
        if statement.limits and isinstance(self, psycopg.RawCursor):  # whose marks are $1, $2, ...
            return False
        key = statement if statement.limits or statement.touches else query
        quick = shelf.be_quick(key, statement)
        if statement.limits:
            query, params = limits.with_parameters(statement.sql, wording.values, params)
        if statement.touches:
            conn.touch()
        return self._execute_quick(shelf, quick, query, params)

    def _execute_quick(self, shelf: Shelf, quick: Quick, query: str, params: Any) -> bool:
        conn: Any = self._conn
        idle = not self._pgconn.transaction_status
        begun = perf_counter()
        try:
            self._straight(query, params, prepare=FOR_THE_POOL)
        except psycopg.Error as error:
            if not may_run_again(conn, shelf, quick.statement, error, idle):
                raise
            return False
        seconds = perf_counter() - begun
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        return True


# `connection` is a property in psycopg and an attribute in psycopg2: no declaration suits both.
class PlannedClientCursor(PlannedByText, _Planned):  # pyright: ignore[reportIncompatibleMethodOverride]
    """For cursors that write the parameters into the text."""

    _conn: Any

    def _execute_prepared_now(
        self, shelf: Shelf, wording: Wording, query: str, params: Any
    ) -> bool:
        return self._show(self._prepared(shelf, query, wording, params), query, params)

    def _execute_quick(self, shelf: Shelf, quick: Quick, query: str, params: Any) -> bool:
        cursor: Any = self
        if quick.form is None:  # of a cursor class for which psycopg prepares
            return False
        digits = _writes_digits(cursor.adapters.get_dumper(int, PyFormat.TEXT))
        known = quick.form.with_integers(params) if digits else None
        return self._show(self._quickly(shelf, quick, params, known), query, params)

    def _show(self, sent: bytes | None, query: str, params: Any) -> bool:
        """Show what was asked for, not what was sent instead, if it was."""
        if sent is None:
            return False
        cursor: Any = self
        cursor._query = _Unprepared(cursor, query, params)
        return True

    def _merged(self, text: str, params: Any) -> bytes:
        cursor: Any = self
        merged = cursor._query_cls(Transformer(cursor))
        merged.convert(text, params)
        sent: bytes = merged.query
        return sent

    def _begins(self) -> bool:
        return False

    def _command(self, sql: str) -> Any:
        return _command(self._conn, sql)


class _Unprepared:
    """What psycopg shows of a statement, as it would have been sent unprepared."""

    __slots__ = ("_made",)

    params = None

    def __init__(self, cursor: Any, text: str, params: Any) -> None:
        self._made = cursor._query_cls, cursor._tx, text, params

    @property
    def query(self) -> bytes:
        """The text with the parameters in it. Made only when somebody asks."""
        make, transformer, text, params = self._made
        merged = make(transformer)
        merged.convert(text, params)
        sent: bytes = merged.query
        return sent


@cache
def _writes_digits(dumper: type) -> bool:
    """Return whether *dumper* is psycopg's own for integers, in Python or in C."""
    library = dumper.__module__.partition(".")[0]
    return dumper.__name__ == "IntDumper" and library in ("psycopg", "psycopg_c", "psycopg_binary")


def _drop_what_is_old(shelf: Shelf, error: psycopg.Error) -> None:
    """See to what psycopg prepared by itself: it would drop that with the next ROLLBACK."""
    if error.sqlstate == NOT_SUPPORTED and shelf.store is not None:
        shelf.store.drop()


def _ready(conn: Any, shelf: Shelf) -> bool:
    """Return whether something may be prepared on *conn*, having cleared up if need be."""
    planner = shelf.planner
    if not planner.route_known:
        planner.learn(conn.pgconn.backend_pid, int(_command(conn, "select pg_backend_pid()")))
    if shelf.doubtful:
        _command(conn, DROP_OURS)
        shelf.cleared()
    return planner.off is None


def _command(conn: Any, sql: str) -> Any:
    """Run statements of ours, whatever transaction there is; return the last one's first value."""
    with conn.lock:
        return conn.wait(_command_gen(conn, sql))


def _command_gen(conn: Any, sql: str) -> Generator[Any, Any, Any]:
    conn.pgconn.send_query(sql.encode(conn.info.encoding))
    results = yield from execute(conn.pgconn)
    for result in results:
        if result.status == _FATAL:
            raise psycopg.errors.error_from_result(result, encoding=conn.info.encoding)
    value = results[-1].get_value(0, 0) if results[-1].ntuples else None
    return None if value is None else value.decode()


@cache
def planned(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that executes prepared.

    A named cursor declares what it executes, which cannot be prepared. Where a user's class is in
    front, what that asks psycopg for is prepared.
    """
    behind = watching(factory)
    if issubclass(behind, (_Planned, psycopg.ServerCursor)):
        return behind
    users = behind_users(behind, planned)
    if users is not None:
        return users
    names: dict[str, Any] = {"__module__": factory.__module__, "__slots__": ()}
    if issubclass(behind, psycopg.ClientCursor):
        return type(factory.__name__, (PlannedClientCursor, behind), names)
    own: Any = behind
    if own._send is Watching._send:  # it begins no transactions
        own = super(Watching, own)
    names["_straight"] = own.execute
    return type(factory.__name__, (PlannedCursor, behind), names)
