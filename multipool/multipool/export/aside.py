"""Hands values on, but never while the garbage collector runs.

A finaliser may return a connection, and the collector may run it anywhere: in the midst of
a library that holds a lock of its own, and that we would call here with the next value. That
thread would wait for itself for ever. So what comes while garbage is being collected is put
aside, and goes with the next.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Aside:
    """Calls ``function(*value)`` for each value that it is called with, sooner or later."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._values: deque[tuple[Any, ...]] = deque()
        self._collecting = False
        gc.callbacks.append(self._note)

    def __call__(self, *value: Any) -> None:
        """Hand on what was put aside, then *value*; while garbage is collected, put it aside."""
        self._values.append(value)
        with suppress(IndexError):  # another thread may be quicker
            while self._values and not self._collecting:
                self._function(*self._values.popleft())

    def close(self) -> None:
        """No longer look at the collector."""
        with suppress(ValueError):
            gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        self._collecting = phase == "start"
