"""Cursors that tell what they execute, where the pool wants to know."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from multipool.watch.cursor import Observed, in_front, observing
from multipool.watch.library import is_library
from multipool.watch.named import ObservedNamed
from multipool_pg8000.everyday import EverydayPlanned
from multipool_pg8000.planned import PlannedCursor

# Reports show the application's frames first, and ours are none of them.
is_library.add(Path(__file__).parent)


class ObservedCursor(Observed):
    """In front of a cursor class. Its ``callproc`` and other COPYs come by here anyway."""

    __slots__ = ()

    def copy_expert(self, sql: Any, *args: Any, **options: Any) -> Any:
        """Run a COPY."""
        driver: Any = super()
        with observing(self, sql, fixed=True):
            return driver.copy_expert(sql, *args, **options)


class _EverydayPlanned(EverydayPlanned, ObservedCursor):
    __slots__ = ()


class _ObservedNamedCursor(ObservedNamed, ObservedCursor):
    __slots__ = ()

    def _asks_nobody(self) -> bool:
        here: Any = self
        known: bool = here.description is not None and here.rownumber < here.rowcount
        return known


@cache
def observed(factory: Any) -> Any:
    """Return a subclass of the cursor class *factory* that tells what it executes."""
    if not isinstance(factory, type):
        return factory
    plans = factory.__bases__[0] is PlannedCursor
    return in_front(_EverydayPlanned if plans else ObservedCursor, factory)


@cache
def observed_named(factory: Any) -> Any:
    """Return the same for a class of named cursors."""
    return in_front(_ObservedNamedCursor, factory)
