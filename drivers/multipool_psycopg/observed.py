"""Cursors that tell what they execute, where the pool wants to know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import ServerCursor

from multipool.watch.cursor import (
    Observed,
    ObservedNamed,
    behind,
    has_params,
    in_front,
    observing,
)
from multipool.watch.library import is_library

# Reports show the application's frames first, and ours are none of them.
is_library.add(Path(__file__).parent)


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
                yield row

    @contextmanager
    def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
        """Begin a COPY, as psycopg does. It is over when the block ends."""
        driver: Any = super()
        with (
            observing(self, statement, fixed=True),
            driver.copy(statement, *args, **options) as copy,
        ):
            yield copy


class _ObservedServerCursor(ObservedNamed, ObservedCursor):
    __slots__ = ()


@cache
def observed(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells what it executes."""
    named = issubclass(factory, ServerCursor)
    return in_front(_ObservedServerCursor if named else ObservedCursor, factory)


def unobserved(factory: Any) -> Any:
    """Return what `observed` was given, which what it made is not to be put behind."""
    return behind(factory) if isinstance(factory, type) else factory
