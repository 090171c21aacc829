"""Attributes that are the driver's, to be read and to be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


def forwarding(*names: str) -> Callable[[Class], Class]:
    """Give a class properties of these *names*, which are those of what its ``unwrap`` returns.

    For what its users may set; to read them is what its ``__getattr__`` makes of it. A
    ``__setattr__`` would have every attribute of its own go through Python, with each statement.
    """

    def decorate(decorated: Class) -> Class:
        for name in names:
            setattr(decorated, name, _forwarded(name))
        return decorated

    return decorate


def _forwarded(name: str) -> property:
    def read(self: Any) -> Any:
        return self.__getattr__(name)

    def change(self: Any, value: Any) -> None:
        setattr(self.unwrap(), name, value)

    return property(read, change, doc="The driver's own.")
