"""psycopg2's large objects: their connection is in use while they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import lobject

if TYPE_CHECKING:
    from multipool.watch.sight import Sight

#: What asks the server for something.
_ASKING = ("read", "write", "seek", "tell", "truncate", "export", "unlink", "close")


@cache
def stirring(factory: type[lobject]) -> type[lobject]:
    """Return a subclass of *factory* whose instances tell their ``sight`` of each use."""
    methods = {name: _told(getattr(factory, name)) for name in _ASKING}
    return type(factory.__name__, (factory,), {"__module__": factory.__module__, **methods})


def _told(ask: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        sight: Sight | None = getattr(self, "sight", None)
        try:
            return ask(self, *args)
        finally:
            if sight is not None:
                sight.stirs()

    method.__name__ = ask.__name__
    method.__doc__ = ask.__doc__
    return method
