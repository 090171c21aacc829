"""Connections that a forked child inherited: they are its parent's, and say so when used."""

from __future__ import annotations

from functools import cache
from typing import Any


def disown(conn: Any, error: type[Exception]) -> None:
    """Let every use of *conn* raise *error*, but ``close``, which is harmless by now."""
    while (inside := getattr(conn, "__wrapped__", None)) is not None:  # a tracer's proxy
        conn = inside
    kind: Any = type(conn)
    raised: Any = error
    conn.__class__ = _disowned(kind, raised)


@cache
def _disowned(kind: Any, error: Any) -> Any:
    def get(conn: Any, name: str) -> Any:
        # What begins with an underscore is between the driver and its own objects.
        if name.startswith("_") or name in ("close", "closed"):
            return object.__getattribute__(conn, name)
        raise error(
            "this connection was opened before the process forked, and is its parent's;"
            " get another from the pool"
        )

    def do_nothing(_: Any) -> None:
        """It is the parent's to close and to mourn."""

    members = {
        "__slots__": (),  # the same layout, so that a connection can be made one of these
        "__module__": kind.__module__,
        "__getattribute__": get,
        "__del__": do_nothing,
        "close": do_nothing,
        "closed": True,
    }
    return type(kind.__name__, (kind,), members)
