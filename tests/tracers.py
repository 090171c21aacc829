"""What libraries that trace queries do to the drivers: their ``connect`` returns a proxy."""

from __future__ import annotations

import importlib
from typing import Any


class Proxy:
    """As wrapt's: all goes to what is wrapped, whose class it says it is of.

    In memory it is laid out otherwise, so that what it wraps cannot be made one of its kind.
    """

    __slots__ = ("__weakref__", "__wrapped__")

    def __init__(self, wrapped: Any) -> None:
        object.__setattr__(self, "__wrapped__", wrapped)

    @property
    def __class__(self) -> Any:
        return type(self.__wrapped__)

    @__class__.setter
    def __class__(self, value: Any) -> None:
        self.__wrapped__.__class__ = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)


def owner_of_connect(driver: str) -> Any:
    """Return whose ``connect`` they replace: psycopg's is called by way of our subclass."""
    if driver == "psycopg":
        return importlib.import_module("multipool_psycopg.connection").Connection
    return importlib.import_module(driver)
