"""Cursors on the server that were made in a lease which has ended.

Django's ``iterator()`` closes its cursor when the generator goes, which may be when garbage is
collected. By then another may have the connection, whose transaction would fail for the CLOSE.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Final

#: What would be sent to the server, or read what is left of a batch.
_REFUSED: Final = ("execute", "fetchone", "fetchmany", "fetchall", "scroll", "__iter__", "__next__")


def end_all(cursors: Iterable[Any], error: type[Exception]) -> None:
    """Have *cursors*, of a driver, be closed, and tell the server nothing.

    Whatever else they are asked they raise *error*.
    """
    for cursor in cursors:
        of_which: Any = type(cursor), error
        with suppress(TypeError):  # a tracer's proxy
            cursor.__class__ = _ended(*of_which)


@cache
def _ended(cls: type, error: type[Exception]) -> type:
    def close(self: Any) -> None:
        """Do nothing: its connection has gone back, and been reset."""

    def refuse(self: Any, *args: object, **options: object) -> Any:
        raise error("cursor already closed")

    names = {"__module__": cls.__module__, "__slots__": (), "closed": True, "close": close}
    # All in the class itself: one to inherit from would be its first, and so another layout.
    return type(cls.__name__, (cls,), {**names, **dict.fromkeys(_REFUSED, refuse)})
