"""Short-lived threads for work that may block: never more than a few at once."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger("multipool")


class Helpers:
    """At most *limit* daemon threads, which end when there is nothing left to do.

    At most *most* tasks wait for one; with more of them the oldest is left out.
    """

    def __init__(self, limit: int, most: int | None = None) -> None:
        self._limit = limit
        # Reentrant, since a finaliser may hand on work in the midst of it.
        self._lock = threading.RLock()
        self._tasks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque(maxlen=most)
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether the next task has the oldest left out."""
        return len(self._tasks) == self._tasks.maxlen

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function(*args)`` in a helper, or here when no thread can be had any more."""
        try:
            self._tasks.append((function, args))
            self._call()
        except BaseException:  # an interrupt: the work must not lie there until there is more
            self._call()
            raise

    def _call(self) -> None:
        if self._tasks and self._count < self._limit and not spawn("multipool-helper", self._help):
            self._help()

    def _help(self) -> None:
        with self._lock:
            if self._count >= self._limit:
                return
            self._count += 1
        while True:
            with self._lock:
                if not self._tasks:
                    self._count -= 1
                    return
                function, args = self._tasks.popleft()
            try:
                function(*args)
            except BaseException:  # a hook's SystemExit too: others wait for this helper
                log.exception("background work failed")
            del function, args  # they may hold the last reference to a pool


def spawn(name: str, target: Callable[[], object]) -> bool:
    """Start a daemon thread; return False if there can be none, the interpreter shutting down."""
    if sys.is_finalizing():  # no other thread runs any more, which Python 3.11 would wait for
        return False
    try:
        threading.Thread(target=target, name=name, daemon=True).start()
    except RuntimeError:
        return False
    return True
