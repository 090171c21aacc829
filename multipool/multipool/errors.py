"""What the pool raises.

Every message begins with the pool's name. Whatever a pool raises for its driver is
also an instance of the driver's own ``OperationalError``: `for_driver` makes that
class, once for each pair.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar


class PoolError(Exception):
    """Base of all errors of multipool."""

    __module__ = "multipool"


class PoolConfigError(PoolError, ValueError):
    """An option, a DSN or an argument is wrong; the message names it and what is allowed."""

    __module__ = "multipool"


class PoolTimeout(PoolError):
    """No connection could be had within the timeout."""

    __module__ = "multipool"


class PoolClosed(PoolError):
    """The pool is closed, or was closed while waiting."""

    __module__ = "multipool"


class TooManyWaiting(PoolError):
    """``max_waiting`` others wait already."""

    __module__ = "multipool"


class ConnectionNotLeased(PoolError):
    """A connection was given back that the pool did not lend, or no longer lends."""

    __module__ = "multipool"


E_ = TypeVar("E_", bound=PoolError)


@lru_cache
def for_driver(error: type[E_], operational_error: type[Exception]) -> type[E_]:
    """Return a subclass of *error* that is also an *operational_error*."""
    return type(
        error.__name__,
        (error, operational_error),
        {"__doc__": error.__doc__, "__module__": error.__module__},
    )
