"""What the pool raises.

Every message begins with the pool's name. Whatever a pool raises for its driver is
also an instance of the driver's own ``OperationalError``, so that a user's ``except``
clauses go on working: `for_driver` makes that class, once for each pair.
"""

from __future__ import annotations

from copy import copy
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


Kind = TypeVar("Kind", bound=PoolError)

_made: dict[tuple[type, type], type] = {}


def for_driver(kind: type[Kind], operational_error: type[Exception]) -> type[Kind]:
    """Return a subclass of *kind* that is also an *operational_error*, always the same one."""
    made = _made.get((kind, operational_error))
    if made is None:
        made = type(
            kind.__name__,
            (kind, operational_error),
            {"__doc__": kind.__doc__, "__module__": kind.__module__},
        )
        made = _made.setdefault((kind, operational_error), made)
    return made


def without_frames(error: Exception) -> Exception:
    """Return *error* without the tracebacks of itself and of those it came from.

    For errors that are kept: frames keep their variables alive, a leased connection it may be.
    """
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            left += [one.__cause__, one.__context__]
    return error


def one_more(error: Exception) -> Exception:
    """Return an error like *error*, to be raised by one more thread.

    For errors that are given to several: whoever raises one writes its traceback and its context
    into it. What cannot be copied, as a class of a user's own may be, is returned itself.
    """
    try:
        other = copy(error)
    except Exception:
        return error.with_traceback(None)
    if type(other) is not type(error):
        return error.with_traceback(None)
    # A driver's class may copy what it knows of alone.
    vars(other).update(vars(error))
    if hasattr(error, "__notes__"):
        other.__notes__ = [*error.__notes__]
    other.__cause__, other.__context__ = error.__cause__, error.__context__
    other.__suppress_context__ = error.__suppress_context__
    return other
