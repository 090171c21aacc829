"""What may be given to `Pool.prepare`: SQL, or whatever somebody registered here."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from multipool.errors import PoolConfigError


@singledispatch
def sql_of(source: Any) -> str:
    """Return the text that *source* is executed as, with its placeholders.

    ``sql_of.register(SomeQuery, function)`` adds a type; `multipool_django` adds QuerySet.
    Raises `PoolConfigError` for what is of no such type.
    """
    known = " or ".join(sorted(kind.__name__ for kind in sql_of.registry if kind is not object))
    raise PoolConfigError(
        f"cannot prepare what is of type {type(source).__name__}; allowed: {known}"
    )


@sql_of.register(str)
def _text(source: str) -> str:
    if not source.strip():
        raise PoolConfigError("cannot prepare an empty statement")
    return source
