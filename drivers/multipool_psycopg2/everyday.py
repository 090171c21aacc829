"""Cursors that do at once what an everyday execution comes to, where it is watched.

Between two system calls the processor's caches are cold, so each call less is worth several
times what it costs in a loop of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from psycopg2 import Error
from psycopg2.extensions import Int
from psycopg2.extensions import adapters as _adapters
from psycopg2.extensions import connection as plain_connection

from multipool.plans.literals import GREATEST, LEAST
from multipool.plans.recovery import may_run_again, say_whose
from multipool.plans.shelf import BATCH
from multipool.session import innocent
from multipool.watch.cursor import Observed
from multipool.watch.library import application
from multipool.watch.stacks import caller, site_of, whole
from multipool_psycopg2.planned import INTEGER

_frame = sys._getframe
_transaction_status = plain_connection.get_transaction_status


class EverydayPlanned(Observed):
    """In front of an observed `PlannedCursor`: both in one, for what needs no thinking about.

    That is a statement of which nobody wants to know more than its line, and most of all one that
    is trusted, with integers of four bytes.
    """

    __slots__ = ()

    # What `PlannedCursor` has.
    _send: Callable[[bytes], object]
    _stood_in: tuple[bytes, str, Any] | None

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Execute *query*, as psycopg2 does."""
        conn = self.connection
        shelf, sight = conn._multipool_shelf, conn._multipool_sight
        if not sight.tracing.brief:
            return super().execute(query, vars)
        quick = shelf.quick.get(query) if type(query) is str else None
        message = None
        if (
            quick is not None
            and quick.guard.trusted
            and quick.form.short
            and type(vars) is tuple
            and _adapters.get(INTEGER) is Int
        ):
            for value in vars:
                if type(value) is not int or not LEAST <= value <= GREATEST:
                    break
            else:
                try:
                    message = quick.form.short % vars
                except TypeError:  # too few or too many
                    message = None
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
            if quick is None or message is None or shelf.shared:
                return self._multipool_execute(query, vars)
            # As `PlannedByText` does.
            idle = not _transaction_status(conn)
            begun = ended = perf_counter()
            try:
                self._send(message)
            except Error as error:
                if not may_run_again(conn, shelf, quick.statement, error, idle):
                    say_whose(error, quick.form)
                    raise
                return self._multipool_execute(query, vars)
        finally:
            sight.quiet_since = ended = perf_counter()
            sight.statement = None
        seconds = ended - begun
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        self._stood_in = message, query, vars
        return None


class EverydayPiggyback(Observed):
    """In front of an observed `PiggybackCursor` and nothing else: both in one, for the everyday.

    That is a statement that touches nothing and carries no BEGIN, where whole stacks are kept and
    executions are counted, as it is by default with Django.
    """

    __slots__ = ()

    # What `PiggybackCursor` has.
    _prefix: int
    _multipool_plain: Any

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Execute *query*, as psycopg2 does."""
        conn = self.connection
        sight = conn._multipool_sight
        if (
            sight is None
            or (log := sight.tracing.counting) is None
            or type(query) is not str
            or query not in innocent
            or not (conn._wants_autocommit or _transaction_status(conn))
            or self._prefix
        ):
            return super().execute(query, vars)
        # As `Observed` does.
        slot = sight.slot
        serial = slot.serial
        stack = None
        if sight.foretold == serial:
            sight.query = None
            stack = sight.began()
        if stack is None:
            try:
                sight.query = stack = whole(_frame(1))
            except ValueError:  # called by no Python code, as in a new thread
                sight.query = stack = whole(_frame(0))
            if sight.first_lease != serial:
                sight.first = stack
                sight.first_lease = serial
        sight.query_lease = serial
        begun = perf_counter()
        sight.statement = query
        try:
            self._multipool_plain(query, vars)
        except BaseException as error:
            sight.ended(self, query, site_of(stack), begun, -1, error)
            raise
        sight.quiet_since = now = perf_counter()
        text = log.fingerprints.young.get(hash(query))
        if text is None:
            sight.ended(self, query, site_of(stack), begun, self.rowcount)
            return None
        sight.last = text
        sight.statement = None
        seconds = now - begun
        sight.spent += seconds
        fresh = log.fresh
        fresh.append((text, stack, seconds, self.rowcount))
        if len(fresh) > log.FRESH:
            log.count_fresh()
        return None
