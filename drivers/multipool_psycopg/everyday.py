"""Cursors that do at once what an everyday execution comes to, where it is watched and prepared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

from psycopg import Error
from psycopg.generators import execute

from multipool.plans.recovery import may_run_again
from multipool.plans.shelf import BATCH
from multipool.watch.cursor import Observed
from multipool.watch.library import application
from multipool.watch.stacks import caller

_frame = sys._getframe


class EverydayPlanned(Observed):
    """In front of an observed `PlannedCursor`: both in one, for what needs no thinking about.

    That is a statement of which nobody wants to know more than its line, and most of all one that
    is trusted. Between two system calls the processor's caches are cold, so each call less is
    worth several times what it costs in a loop of its own. For cursors that have psycopg's own
    ``execute``.
    """

    __slots__ = ()

    # psycopg's own.
    format: Any
    _closed: bool
    _conn: Any
    _last_query: Any
    _pgconn: Any
    _query_cls: Any
    _tx: Any
    _reset: Callable[[], None]
    _start_query: Callable[[str], Generator[Any, Any, Any]]
    _check_results: Callable[[Any], None]
    _set_results: Callable[[Any], None]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        conn = self._conn
        shelf, sight = conn._multipool_shelf, conn._multipool_sight
        if options or not sight.tracing.brief:
            return super().execute(query, params, **options)
        quick = shelf.quick.get(query) if type(query) is str else None
        # As `Observed` does.
        try:
            frame = _frame(1)
        except ValueError:  # called by no Python code, as in a new thread
            frame = _frame(0)
        code = frame.f_code
        sight.query = (code, frame.f_lasti) if code.co_filename in application else caller(frame)
        sight.query_lease = sight.slot.serial
        sight.statement = query
        try:
            if quick is None or not quick.guard.trusted:
                return self._multipool_execute(query, params)
            # As `PlannedCursor` does.
            idle = not self._pgconn.transaction_status
            begun = ended = perf_counter()
            try:
                with conn.lock:
                    done = conn.wait(self._execute_known(query, params))
            except Error as error:
                if not may_run_again(conn, shelf, quick.statement, error, idle):
                    raise error.with_traceback(None)  # noqa: B904  # as psycopg does
                done = False
            if not done:
                return self._multipool_execute(query, params)
        finally:
            sight.quiet_since = ended = perf_counter()
            sight.statement = None
        seconds = ended - begun
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        return self

    def _execute_known(self, query: str, params: Any) -> Generator[Any, Any, bool]:
        """Do what psycopg's ``_execute_gen`` does with what is prepared already.

        Returns False if it is not, for parameters of these types, or a pipeline collects it.
        """
        conn = self._conn
        if conn._pipeline is not None:
            return False
        # Of the same text, and with no transaction to begin, this is all that psycopg would do.
        again = self._last_query is query and not self._closed
        if again and (conn._autocommit or self._pgconn.transaction_status):
            self._reset()
        else:
            yield from self._start_query(query)
        made = self._query_cls(self._tx)
        made.convert(query, params)
        manager = conn._prepared
        key = made.query, made.types
        name = manager._names.get(key)
        if name is None:
            return False
        manager._names.move_to_end(key)
        self._pgconn.send_query_prepared(
            name, made.params, param_formats=made.formats, result_format=self.format
        )
        results = yield from execute(self._pgconn)
        self._check_results(results)
        self._set_results(results)
        self._last_query = query
        if manager._to_flush:
            yield from manager.maintain_gen(conn)
        return True
