"""The pools of this process: which there are, and what becomes of them at fork and exit."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol
from weakref import ReferenceType, ref

from multipool import upkeep

log = logging.getLogger("multipool")


class Mortal(Protocol):
    """What is told of a fork and of the exit."""

    def _leave(self) -> None: ...

    def _let_go(self) -> None: ...

    def _after_fork(self) -> None: ...


_pid = os.getpid()
#: No WeakSet, whose copying would want a lock; finalisers too may come by here.
_pools: set[ReferenceType[Any]] = set()
#: Called with each pool. Replaced as a whole, never changed.
_meeting: tuple[Callable[[Any], object], ...] = ()
#: Called with each pool that is dropped. Replaced as a whole, never changed.
_outliving: tuple[Callable[[Any], object], ...] = ()
#: Called in a forked child, when its pools have begun anew.
_renewing: tuple[Callable[[], object], ...] = ()


def register(pool: Mortal) -> None:
    """Remember *pool*, weakly."""
    _pools.add(ref(pool, _pools.discard))
    for function in _meeting:
        function(pool)


def registered() -> list[Any]:
    """Return what was registered and is still there."""
    return [pool for one in list(_pools) if (pool := one()) is not None]


def meet(function: Callable[[Any], object]) -> None:
    """Call *function* with every pool: those there are, and, before they are used, those to come.

    With one that is being made just now it may be called twice. It must not raise.
    """
    global _meeting
    _meeting = (*_meeting, function)
    for pool in registered():
        function(pool)


def part(function: Callable[[Any], object]) -> None:
    """Call *function* with no further pool."""
    global _meeting
    _meeting = tuple(one for one in _meeting if one != function)


def outlive(function: Callable[[Any], object]) -> None:
    """Call *function* with every pool that is dropped, before it goes. It must not raise.

    A finaliser does so, wherever it may run: who wants a lock there may wait for itself.
    """
    global _outliving
    _outliving = (*_outliving, function)


def dropped(pool: Any) -> None:
    """Say that nobody has *pool* any more. Called by its finaliser, before it is let go."""
    for function in _outliving:
        function(pool)


def renew(function: Callable[[], object]) -> None:
    """Call *function* in each forked child, when its pools have begun anew. It must not raise."""
    global _renewing
    _renewing = (*_renewing, function)


def turn_after_fork(turn: Any) -> Any:
    """Return what to take turns by in a forked child, where its parent did so by *turn*.

    Who forked goes on with its own turn, which ends as it began. Who else had it is not there.
    """
    mine = turn._is_owned()  # which `threading.Condition` asks too
    return turn if mine else threading.RLock()


def _at_exit() -> None:
    for pool in registered():
        pool._leave()
        pool._let_go()


def _after_fork_in_child() -> None:
    global _pid
    if _pid == os.getpid():
        return  # uWSGI was told to call Python's hooks, and has called its own besides
    _pid = os.getpid()
    upkeep.after_fork_in_child()
    for pool in registered():
        pool._after_fork()
    for function in _renewing:
        function()


def _no_hook() -> None:
    """Stands for uWSGI's, where nobody has set any."""


def _hook_into_uwsgi() -> None:
    """Have uWSGI call us after a fork: unless told to it does not call Python's hooks."""
    try:
        uwsgi: Any = import_module("uwsgi")  # there in a process of uWSGI's alone
    except ImportError:
        return
    hooks = {getattr(uwsgi, "post_fork_hook", _no_hook)}
    with suppress(Exception):  # what it raises where uWSGI has no master process
        import_module("uwsgidecorators")  # its import later on would put its own hook here
        hooks.add(uwsgi.post_fork_hook)

    def after_fork() -> None:
        _after_fork_in_child()
        for hook in hooks:
            hook()

    uwsgi.post_fork_hook = after_fork
    if hasattr(uwsgi, "worker_id"):  # 0 until it has forked: no thread of ours runs before
        upkeep.forks_ahead = lambda: uwsgi.worker_id() == 0


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
_hook_into_uwsgi()
