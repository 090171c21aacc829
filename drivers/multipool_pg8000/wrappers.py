"""Values that PostgreSQL has a type for and Python has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Json:
    """A value to be sent as ``json``; *dumps* makes the text (default: `json.dumps`)."""

    def __init__(self, obj: Any, dumps: Callable[[Any], str] = json.dumps) -> None:
        self.obj = obj
        self.dumps = dumps

    @property
    def text(self) -> str:
        return self.dumps(self.obj)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Jsonb(Json):
    """A value to be sent as ``jsonb``."""


class Inet:
    """A text to be sent as ``inet``."""

    def __init__(self, addr: str) -> None:
        self.addr = addr

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inet) and self.addr == other.addr

    def __hash__(self) -> int:
        return hash(self.addr)

    def __str__(self) -> str:
        return str(self.addr)

    def __repr__(self) -> str:
        return f"Inet({self.addr!r})"
