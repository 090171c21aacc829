"""The work that nobody should wait for: ends of lifetimes, closing, filling up.

`Thread` is one daemon thread for all pools of the process. It sleeps on every socket and
until the next connection is due, and only marks and sorts; what may block is handed to
short-lived helpers, of which each pool has its own. `Inline` starts no thread: what is due is
done at the next call into the pool. A pool uses one or the other, by its option ``upkeep``.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

from multipool.caretaker import NEVER
from multipool.clock import TICK, clock
from multipool.helpers import spawn
from multipool.inner import Inner, Upkeep
from multipool.liveness import ALIVE, look
from multipool.opening import time_to_open
from multipool.slot import Slot
from multipool.sockets import SocketWatch
from multipool.tending import tend
from multipool.watch.pressure import weigh

log = logging.getLogger("multipool")

#: The longest sleep, in seconds, so that nothing overlooked stays so for good.
_LONGEST: Final = 5.0
#: By how much each look comes later than the one before while connections are out, but none is
#: lent: it is enough to know how long a lease lasted to a tenth or so.
_SLOWER: Final = 1.25


class Inline(Upkeep):
    """No thread: all is done in the calls into one pool, which begin with a look at its sockets."""

    watching = SocketWatch is not None

    def __init__(self) -> None:
        self.due = 0.0
        # Made with the first connection: what daemonises closes what it finds open.
        self._sockets: Any = None
        self._made: dict[str, Any] = {}
        self.ended, self.ends = _nobody_looks, -1

    def tend(self, inner: Inner, deadline: float | None = None) -> None:
        if inner.places.lock.locked():  # it may be this very thread, which a signal interrupted
            self.due = 0.0
        else:
            tend(inner, _or_timeout(inner, deadline))

    def soon(self, inner: Inner) -> None:
        self.due = 0.0

    def step(self, inner: Inner, deadline: float | None = None) -> None:
        if monotonic() >= self.due and not inner.places.lock.locked():
            self.due = NEVER  # what is done now may come by here again
            due = 0.0
            try:
                due = tend(inner, _or_timeout(inner, deadline))
            finally:
                # Unless there is something to do again already. With no call in between, so
                # nobody else comes in, nor an interrupt.
                if due < self.due:
                    self.due = due

    def background(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        function(*args)

    def open(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        function(*args)

    def watch(self, inner: Inner, slot: Slot) -> None:
        if self._sockets is None and SocketWatch is not None:
            # Several may open the first connection at once, and one of them in a finaliser, which
            # would wait for a lock of its own thread's: so all make one, and take the first.
            sockets = self._made.setdefault("sockets", SocketWatch(once=False))
            # The system's own call, since every checkout makes it, and what it is made of.
            self.ended, self.ends = sockets.poll, sockets.number
            self._sockets = sockets  # last: an interrupt leaves nothing half made
        if self._sockets is not None:
            self._sockets.add(slot)

    def unwatch(self, slot: Slot) -> None:
        if self._sockets is not None:
            self._sockets.remove(slot)

    def notice(self) -> list[Slot]:
        return [] if self._sockets is None else _really_ended(self._sockets.sleep(0))

    def rouse(self) -> None:
        clock.read()

    def after_fork(self) -> Inline:
        # The same one with new descriptors, since the hot path knows it.
        if self._sockets is not None:
            self._sockets.close()
        # A plain call of it, not of a subclass: everything as at the beginning.
        self.__init__()  # type: ignore[misc]
        return self


def _or_timeout(inner: Inner, deadline: float | None) -> float:
    return monotonic() + time_to_open(inner.config.timeout) if deadline is None else deadline


class Thread(Upkeep):
    """One daemon thread for every pool of the process."""

    watching = SocketWatch is not None

    def __init__(self) -> None:
        # Reentrant, since a finaliser may hand on work in the midst of it.
        self._lock = threading.RLock()
        self._pools: WeakSet[Inner] = WeakSet()
        self._running = False
        self._rung = False
        # Made with the first pool, not at import: what daemonises closes what it finds open.
        self._sockets: Any = None
        self._doors: dict[int, Callable[[], object]] = {}
        self.ended, self.ends, self.due = _nobody_looks, -1, NEVER  # the thread does

    def tend(self, inner: Inner, deadline: float | None = None) -> None:
        with self._lock:
            self._pools.add(inner)
        self._wake()

    def _wake(self) -> bool:
        """Let the thread look at every pool, starting it if need be; return whether it runs."""
        with self._lock:
            self._rung = True
            if self._sockets is None:
                self._sockets = SocketWatch(once=True) if SocketWatch else _Blind()
                for inner in self._pools:  # what is open already, where it begins anew
                    for slot in list(inner.places.slots):
                        if slot.conn_ref is not None:
                            self._sockets.add(slot)
                for fd in self._doors:
                    self._sockets.listen(fd, self._hear)
        if self._running:
            self._sockets.ring()
            return True
        return not forks_ahead() and spawn("multipool-upkeep", self._run)

    def soon(self, inner: Inner) -> None:
        self.tend(inner)

    def step(self, inner: Inner, deadline: float | None = None) -> None:
        """Nothing: the thread does it."""

    def background(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        inner.closers.run(function, *args)

    def open(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        inner.openers.run(function, *args)

    def watch(self, inner: Inner, slot: Slot) -> None:
        if inner not in self._pools:  # a forked child's first connection
            self.tend(inner)
        if self._sockets is not None:
            self._sockets.add(slot)

    def unwatch(self, slot: Slot) -> None:
        if self._sockets is not None:
            self._sockets.remove(slot)

    def hear(self, fd: int, heard: Callable[[], object]) -> None:
        with self._lock:
            self._doors[fd] = heard
            if self._sockets is not None:
                self._sockets.listen(fd, self._hear)

    def _hear(self, fd: int) -> None:
        heard = self._doors.get(fd)
        if heard is not None:
            heard()
            self._rung = True  # no bell: it would wake us once more

    def deafen(self, fd: int) -> None:
        with self._lock:
            if self._doors.pop(fd, None) is not None and self._sockets is not None:
                self._sockets.forget(fd)

    def rouse(self) -> None:
        clock.read()
        if clock.asleep and self._pools:
            clock.asleep = False
            if not self._wake():  # there may be no thread to be had: the next one tries again
                clock.asleep = True

    def after_fork(self) -> Thread:
        return thread

    def forget(self) -> None:
        """Let go of the parent's descriptors, in a forked child."""
        if self._sockets is not None:
            self._sockets.close()

    # -- the thread ------------------------------------------------------------------

    def _run(self) -> None:
        # What runs counts itself, since whoever starts it may be interrupted.
        with self._lock:
            if self._running:
                return
            self._running = True
        try:
            self._keep_up()
        except Exception:
            # With new descriptors it starts again at the next call for it.
            log.exception("upkeep failed; it begins anew with the next checkout")
            self._sockets = None
            self._running = False
            self._doze()

    def _keep_up(self) -> None:
        due: float | None = clock.read()
        activity = -1
        nap, busy, roused = TICK, True, False
        while due is not None:
            napped = clock.asleep
            nap = min(nap * _SLOWER, _LONGEST) if napped and busy else TICK
            until = _LONGEST if napped and not busy else nap
            if roused:
                # What roused us has just begun: a look that knew that would see too much of it.
                until *= random.random()
            ended = self._sockets.sleep(min(until, max(due - clock.read(), 0.0)))
            now = clock.read()
            for slot in _really_ended(ended):
                _end(slot)
            ticked = not ended and not self._rung
            if not ticked or now >= due:
                due = self._round()
            if ticked:
                busy = self._look(now, napped=napped or roused)
            if not clock.asleep and not (roused and ticked):
                activity = self._doze_if_quiet(activity)
            roused = not clock.asleep and (napped or (roused and not ticked))

    def _round(self) -> float | None:
        """Tend every pool; return when the first of them is due again, None if there is none."""
        with self._lock:
            self._rung = False
            pools = list(self._pools)
            if not pools:
                self._running = False
                clock.asleep = True
                return None
        due = clock.now + _LONGEST
        for pool in pools:
            # A closed one too whose lease was said to last too long, until that is over.
            if pool.closed and not pool.alarms.raised:
                # First: who closes it says so once more when all of it is to be closed, which
                # may be while we are at it.
                with self._lock:
                    self._pools.discard(pool)
                    self._rung = True
            try:
                due = min(due, tend(pool))
            except Exception:
                log.exception("pool %r: upkeep failed; it goes on", pool.name)
        return due

    def _look(self, now: float, *, napped: bool) -> bool:
        """See how many connections are wanted, at a moment that is as good as any; if any are."""
        with self._lock:
            pools = list(self._pools)
        for pool in pools:
            pool.places.date(now)
        return sum(pool.demand.look(pool, now, napped=napped) for pool in pools) > 0

    def _doze_if_quiet(self, before: int) -> int:
        """Stop the clock when nothing was lent since the last tick. Feel for pressure."""
        with self._lock:
            pools = list(self._pools)
        activity = 0
        for pool in pools:
            activity += pool.places.leases()
            weigh(pool, clock.now)
            if pool.stake is not None:
                pool.stake.feel(pool)
        if activity == before:
            self._doze()
        return activity

    def _doze(self) -> None:
        """Stop the clock until somebody is lent a connection."""
        # Asleep first, marked second: whoever comes in between wakes us or is marked.
        clock.asleep = True
        with self._lock:
            pools = list(self._pools)
        for pool in pools:
            pool.places.make_wary()
            # What has come in between; whoever comes from now on does it for themselves.
            pool.places.date(clock.now)


class _Blind:
    """Where there is no epoll: a bell alone."""

    def __init__(self) -> None:
        self._bell = threading.Event()

    def add(self, slot: Slot) -> None:
        """Nothing to watch it with."""

    def remove(self, slot: Slot) -> None:
        """It was not watched."""

    def listen(self, fd: int, heard: Callable[[int], object]) -> None:
        """Nothing to hear it with."""

    def forget(self, fd: int) -> None:
        """It was not listened to."""

    def ring(self) -> None:
        self._bell.set()

    def sleep(self, timeout: float) -> list[Slot]:
        self._bell.wait(timeout)
        self._bell.clear()
        return []

    def close(self) -> None:
        """It has no descriptors."""


def _nobody_looks(timeout: float, most: int) -> Any:
    return ()


def _really_ended(slots: list[Slot]) -> list[Slot]:
    # Else the number is another file's by now.
    return [slot for slot in slots if look(slot.fd) != ALIVE]


def _end(slot: Slot) -> None:
    """Let a connection be lent no more whose other end has gone."""
    home = slot.home()
    if home is not None:
        home.ended(slot)


def _never() -> bool:
    return False


#: Whether this process is about to fork without Python's knowledge: a thread that wants the
#: interpreter just then would leave the child with a lock taken for ever. See `lifecycle`.
forks_ahead: Callable[[], bool] = _never

thread = Thread()


def of(option: str) -> Upkeep:
    """Return who looks after a pool with ``upkeep=option``."""
    return thread if option == "thread" else Inline()


def after_fork_in_child() -> None:
    """Forget the parent's thread, which does not live here, and its descriptors."""
    global thread
    clock.asleep = True
    thread.forget()
    thread = Thread()
