"""Cursors that tell what they execute, where the pool wants to know."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from multipool.watch.cursor import Observed, in_front, observing
from multipool.watch.library import is_library
from multipool.watch.named import ObservedNamed
from multipool_psycopg2.everyday import EverydayPiggyback, EverydayPlanned
from multipool_psycopg2.piggyback_cursor import PiggybackCursor
from multipool_psycopg2.planned import PlannedCursor

# Reports show the application's frames first, and ours are none of them.
is_library.add(Path(__file__).parent)


class ObservedCursor(Observed):
    """In front of a cursor class, with what only psycopg2 has."""

    __slots__ = ()

    def callproc(self, procname: Any, *args: Any) -> Any:
        """Call a function, as psycopg2 does."""
        driver: Any = super()
        call = f"select * from {procname}(...)"  # noqa: S608  # it is told, not executed
        with observing(self, call, fixed=True):
            return driver.callproc(procname, *args)

    def copy_expert(self, sql: Any, *args: Any, **options: Any) -> Any:
        """Copy as an SQL statement says, as psycopg2 does."""
        driver: Any = super()
        with observing(self, sql, fixed=True):
            return driver.copy_expert(sql, *args, **options)

    def copy_from(self, file: Any, table: Any, *args: Any, **options: Any) -> Any:
        """Fill a table from a file, as psycopg2 does."""
        driver: Any = super()
        with observing(self, f"copy {table} from stdin", fixed=True):
            return driver.copy_from(file, table, *args, **options)

    def copy_to(self, file: Any, table: Any, *args: Any, **options: Any) -> Any:
        """Write a table to a file, as psycopg2 does."""
        driver: Any = super()
        with observing(self, f"copy {table} to stdout", fixed=True):
            return driver.copy_to(file, table, *args, **options)


class _EverydayPlanned(EverydayPlanned, ObservedCursor):
    __slots__ = ()


class _EverydayPiggyback(EverydayPiggyback, ObservedCursor):
    __slots__ = ()


class _ObservedNamedCursor(ObservedNamed, ObservedCursor):
    __slots__ = ()

    def _asks_nobody(self) -> bool:
        here: Any = self
        known: bool = here.rownumber < here.rowcount
        return known


#: By the class that stands first among the bases of the one to be observed.
_IN_FRONT: Final[dict[type, type[Observed]]] = {
    PlannedCursor: _EverydayPlanned,
    PiggybackCursor: _EverydayPiggyback,
}


@cache
def observed(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells what it executes."""
    return in_front(_IN_FRONT.get(factory.__bases__[0], ObservedCursor), factory)


@cache
def observed_named(factory: type) -> type:
    """Return the same for a class of named cursors."""
    return in_front(_ObservedNamedCursor, factory)
