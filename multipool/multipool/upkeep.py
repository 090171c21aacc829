"""The work that nobody should wait for: ends of lifetimes, closing, filling up.

One daemon thread for all pools of the process sleeps until the next connection is due
and then calls `Pool._tend`. It starts with the first pool that has something to look
after and ends when there is none. What may block is handed to short-lived helpers.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from multipool.pool import Pool

log = logging.getLogger("multipool")

#: Helpers at once, for all pools. More would only crowd a server that is slow already.
_HELPERS: Final = 8
#: The longest sleep, in seconds, so that a clock or a bug never stops upkeep for good.
_LONGEST: Final = 60.0


class _Upkeep:
    """The thread, its helpers and what they have to do; made anew in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pools: WeakSet[Pool] = WeakSet()
        self.bell = threading.Event()
        self.running = False
        self.tasks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.helpers = 0

    def tend(self, pool: Pool) -> None:
        with self.lock:
            self.pools.add(pool)
            if self.running:
                self.bell.set()
                return
            self.running = True
        if not _spawn("multipool-upkeep", self.run):
            self.running = False

    def run(self) -> None:
        while True:
            self.bell.clear()
            due = self.round()
            with self.lock:
                if not self.pools:
                    self.running = False
                    return
            self.bell.wait(min(max(due - monotonic(), 0.001), _LONGEST))

    def round(self) -> float:
        """Tend every pool; return when the first of them is due again."""
        due = float("inf")
        with self.lock:
            pools = list(self.pools)
        for pool in pools:
            try:
                due = min(due, pool._tend())
            except Exception:
                log.exception("pool %r: upkeep failed; it goes on", pool.name)
            if pool.closed:
                with self.lock:
                    self.pools.discard(pool)
        return due

    def help(self) -> None:
        while True:
            with self.lock:
                if not self.tasks:
                    self.helpers -= 1
                    return
                function, args = self.tasks.popleft()
            function(*args)
            del function, args  # they may hold the last reference to a pool


_upkeep = _Upkeep()


def tend(pool: Pool) -> None:
    """Look after *pool* from now on, and look at it at once."""
    _upkeep.tend(pool)


def background(function: Callable[..., object], *args: Any) -> None:
    """Run ``function(*args)`` in a helper, or here when no thread can be had any more."""
    with _upkeep.lock:
        _upkeep.tasks.append((function, args))
        if _upkeep.helpers >= _HELPERS:
            return
        _upkeep.helpers += 1
    if not _spawn("multipool-helper", _upkeep.help):
        _upkeep.help()


def after_fork_in_child() -> None:
    """Forget the parent's threads, none of which lives here."""
    global _upkeep
    _upkeep = _Upkeep()


def _spawn(name: str, target: Callable[[], object]) -> bool:
    try:
        threading.Thread(target=target, name=name, daemon=True).start()
    except RuntimeError:  # the interpreter is shutting down
        return False
    return True
