"""The pools of this process: which there are, and what becomes of them at fork and exit."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from multipool import upkeep

if TYPE_CHECKING:
    from multipool.pool import Pool

log = logging.getLogger("multipool")

_lock = threading.Lock()
_pools: WeakSet[Pool] = WeakSet()


def register(pool: Pool) -> None:
    """Remember *pool*, weakly."""
    with _lock:
        _pools.add(pool)


def pools() -> list[Pool]:
    """Return the pools of this process that are neither closed nor dropped, by name."""
    return sorted((pool for pool in _all() if not pool.closed), key=lambda pool: pool.name)


def _all() -> list[Pool]:
    with _lock:  # a WeakSet may not grow while it is copied
        return list(_pools)


def _at_exit() -> None:
    for pool in _all():
        pool._let_go()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it at the fork
    upkeep.after_fork_in_child()
    for pool in _all():
        pool._after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
