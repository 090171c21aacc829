"""Cursors that tell what they execute, where the pool wants to know."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from psycopg import Cursor, ServerCursor

from multipool.session import innocent
from multipool.watch.cursor import (
    Observed,
    behind,
    has_params,
    in_front,
    observing,
)
from multipool.watch.library import application, is_library
from multipool.watch.named import ObservedNamed
from multipool.watch.stacks import caller
from multipool_psycopg.cursor import NOT_GIVEN, Watching
from multipool_psycopg.everyday import EverydayPlanned
from multipool_psycopg.planned import PlannedCursor

# Reports show the application's frames first, and ours are none of them.
is_library.add(Path(__file__).parent)

_frame = sys._getframe


class ObservedCursor(Observed):
    """In front of a cursor class, with what only psycopg has."""

    __slots__ = ()

    def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
        """Iterate row by row on a result, as psycopg does."""
        driver: Any = super()
        told = observing(self, query, params=has_params(args, options))
        with told as sent:
            told.rows = 0
            for row in driver.stream(sent, *args, **options):
                told.rows += 1
                had = perf_counter()
                try:
                    yield row
                finally:
                    if told.sight is not None:  # what is done with a row is not the statement's
                        told.begun += perf_counter() - had

    @contextmanager
    def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
        """Begin a COPY, as psycopg does. It is over when the block ends."""
        driver: Any = super()
        with (
            observing(self, statement, fixed=True),
            driver.copy(statement, *args, **options) as copy,
        ):
            yield copy


class _Everyday(ObservedCursor):
    """In front of a `Watching` that nothing else stands before: both in one, for the everyday.

    A statement that touches nothing, of which nobody wants to know more than its line, goes from
    here to the driver's own ``execute``: two calls less, of which each costs half as much again.
    """

    __slots__ = ()

    _conn: Any
    #: The ``execute`` behind the `Watching`.
    _multipool_plain: Any

    def execute(self, query: Any, params: Any = NOT_GIVEN, *more: Any, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        sight = self._conn._multipool_sight
        if not (
            sight.tracing.brief
            and type(query) is str
            and query in innocent
            and not more
            and not options
        ):
            given = () if params is NOT_GIVEN else (params,)
            return super().execute(query, *given, *more, **options)
        try:
            frame = _frame(1)
        except ValueError:  # called by no Python code, as in a new thread
            frame = _frame(0)
        code = frame.f_code
        sight.query = (code, frame.f_lasti) if code.co_filename in application else caller(frame)
        sight.query_lease = sight.slot.serial
        sight.statement = query
        try:
            if params is NOT_GIVEN:
                return self._multipool_plain(query)
            return self._multipool_plain(query, params)
        finally:
            sight.quiet_since = perf_counter()
            sight.statement = None


class _EverydayPlanned(EverydayPlanned, ObservedCursor):
    __slots__ = ()


class _ObservedServerCursor(ObservedNamed, ObservedCursor):
    __slots__ = ()

    def _asks_nobody(self) -> bool:
        # psycopg takes the rows in pages, and one that is not full for the last.
        here: Any = self
        page = here._iter_rows
        return page is not None and not here._page_pos >= len(page) >= here.itersize


@cache
def observed(factory: Any) -> Any:
    """Return a subclass of the cursor class *factory* that tells what it executes."""
    if issubclass(factory, ServerCursor):
        return in_front(_ObservedServerCursor, factory)
    if factory.__bases__[0] is PlannedCursor and factory._straight is Cursor.execute:
        return in_front(_EverydayPlanned, factory)
    if factory.__bases__[0] is not Watching or issubclass(factory, Observed):
        return in_front(ObservedCursor, factory)
    made: Any = in_front(_Everyday, factory)
    driver: Any = super(Watching, factory)
    made._multipool_plain = driver.execute
    return made


def everyday(factory: Any) -> Any:
    """Return *factory* if it is a cursor class as `observed` makes the most of them, else None.

    Made with a connection alone, a cursor of such a class is as the connection would make it.
    """
    # Not a user's subclass of one, which may have an `execute` of its own.
    found = isinstance(factory, type) and "_multipool_plain" in vars(factory)
    return factory if found and factory.__init__ is Cursor.__init__ else None


def unobserved(factory: Any) -> Any:
    """Return what `observed` was given, which what it made is not to be put behind."""
    return behind(factory) if isinstance(factory, type) else factory
