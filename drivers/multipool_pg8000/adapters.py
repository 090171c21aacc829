"""Which Python type goes out as what, and which PostgreSQL type comes in as what.

There are three levels: the process (`multipool_pg8000.adapters`), a connection and a
cursor (their ``adapters``). What is registered on one is seen by those below it, unless
they have their own; psycopg's ``AdaptersMap`` is the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multipool_pg8000.errors import ProgrammingError
from multipool_pg8000.values import Dumped

#: Makes a `Dumped` of a value; the adapters are for what the value holds itself.
Dumper = Callable[[Any, "Adapters"], Dumped]
#: Makes a value of PostgreSQL's text form.
Loader = Callable[[str], Any]


#: Another object each time a loader is registered or taken back, on whatever level.
_registered = object()


class Adapters:
    """One level's dumpers and loaders, over those of its *parent*."""

    __slots__ = ("_dumpers", "_found", "_found_with", "_loaders", "_parent")

    def __init__(self, parent: Adapters | None = None) -> None:
        self._parent = parent
        self._dumpers: dict[type, Dumper] = {}
        self._loaders: dict[int, Loader] = {}
        self._found: dict[int, Any] = {}
        self._found_with: object = None

    def register_dumper(self, cls: type, dumper: Dumper) -> None:
        """Use *dumper* for values of *cls*, and of its subclasses without their own."""
        self._dumpers[cls] = dumper

    def register_loader(self, oid: int, loader: Loader) -> None:
        """Use *loader* for columns of type *oid*, inside arrays and ranges too."""
        self._loaders[oid] = loader
        _change()

    def dump(self, value: Any) -> Dumped:
        """Return what *value* becomes.

        Raises `ProgrammingError` for a type that no dumper is registered for, and
        `DataError` for a value that PostgreSQL has no form for.
        """
        cls = type(value)
        for base in cls.__mro__:
            level: Adapters | None = self
            while level is not None:
                if (dumper := level._dumpers.get(base)) is not None:
                    return dumper(value, self)
                level = level._parent
        raise ProgrammingError(f"can't adapt type {cls.__name__!r}: register a dumper for it")

    def loader(self, oid: int) -> Loader | None:
        """Return the loader registered for *oid*, or None where the adapter's own is to be used."""
        level: Adapters | None = self
        while level is not None:
            if (loader := level._loaders.get(oid)) is not None:
                return loader
            level = level._parent
        return None

    @property
    def found(self) -> dict[int, Any]:
        """Where to keep what was found out with the loaders there are now."""
        if self._found_with is not _registered:
            self._found, self._found_with = {}, _registered
        return self._found

    @property
    def loads_as_usual(self) -> bool:
        """Whether no loader is registered, neither here nor on a level above."""
        return not self._loaders and (self._parent is None or self._parent.loads_as_usual)

    def snapshot(self) -> tuple[dict[type, Dumper], dict[int, Loader]]:
        """Return this level's registrations, for `restore`."""
        return dict(self._dumpers), dict(self._loaders)

    def holds(self, snapshot: tuple[dict[type, Dumper], dict[int, Loader]]) -> bool:
        """Return whether this level's registrations are those of *snapshot*."""
        return self._dumpers == snapshot[0] and self._loaders == snapshot[1]

    def restore(self, snapshot: tuple[dict[type, Dumper], dict[int, Loader]]) -> None:
        """Put this level's registrations back to *snapshot*."""
        changes = self._loaders != snapshot[1]
        self._dumpers, self._loaders = dict(snapshot[0]), dict(snapshot[1])
        if changes:
            _change()


def _change() -> None:
    global _registered
    _registered = object()
