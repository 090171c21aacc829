"""Threads that take turns as told, so that every way in which they can interleave is walked.

One thread runs at a time. At each point at which CPython might switch threads (see
`checkpoints`), and where a thread blocks or ends, the next one is chosen. `walk` plays a
scenario once for each sequence of choices with at most so many preemptions, that is
switches away from a thread that could go on: Musuvathi and Qadeer (CHESS, 2007) found that
faults show with very few. Locks and the clock are the scheduler's own: a wait ends by its
timeout when nobody else could go on, and else only where `walk` is told to play that too.
"""

from __future__ import annotations

import gc
import sys
import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from torture.checkpoints import visiting, where

#: The files in which threads are switched: where it is decided who gets what.
DECIDING = frozenset(
    [
        *("handoff.py", "hotpath.py", "inner.py", "lease.py", "lending.py", "opening.py"),
        *("places.py", "pool.py", "slot.py", "tending.py"),
    ]
)

#: Choices in one play beyond which it will not end.
_MANY = 5000


class Abandoned(BaseException):
    """Ends the threads of a play that has failed."""


class Failure(AssertionError):
    """A play went wrong; the message tells how, and the choices that repeat it."""


class Actor(threading.Thread):
    """One thread of a play."""

    def __init__(self, scheduler: Scheduler, name: str, work: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self._scheduler = scheduler
        self._work = work
        self.baton = allocate_lock()
        self.baton.acquire()
        #: The lock it waits for, and the time until which it does.
        self.blocked_by: Lock | None = None
        self.until: float | None = None
        self.done = False

    def run(self) -> None:
        self.baton.acquire()
        try:
            with visiting(self._scheduler.point):
                self._scheduler.check_abandoned()
                self._work()
        except Abandoned:
            pass
        except BaseException as error:
            self._scheduler.fail(self, error)
        self.done = True
        self._scheduler.next(self)

    @property
    def can_go_on(self) -> bool:
        return not self.done and (self.blocked_by is None or not self.blocked_by.held)

    @property
    def can_time_out(self) -> bool:
        return not self.done and not self.can_go_on and self.until is not None


class Scheduler:
    """One play: follows *choices*, then goes on without preemptions; records what it could do."""

    def __init__(self, choices: Sequence[int], timeouts: bool) -> None:
        self._choices = choices
        self._timeouts = timeouts
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._over = allocate_lock()
        self._over.acquire()
        self._abandoned = False
        # Where the thread is that hands on: its code and line, put into words when asked.
        self._where: tuple[CodeType, int] | None = None
        #: The scheduler's own time, in seconds.
        self.now = 1000.0
        #: What was chosen, among how many, and from which on a choice is a preemption.
        self.made: list[tuple[int, int, int]] = []
        self._turns: list[tuple[str, tuple[CodeType, int] | None]] = []
        self.error: BaseException | None = None

    def play(self, works: dict[str, Callable[[], object]]) -> None:
        """Run *works*, each in a thread of its own, to their end. Raises what went wrong."""
        self._actors = [Actor(self, name, work) for name, work in works.items()]
        for actor in self._actors:
            actor.start()
        self.next(None)
        self._over.acquire()
        for actor in self._actors:
            actor.join()
        self._actors.clear()  # they and we refer to each other, and to the pool's connections
        if self.error is not None:
            raise self.error

    def story(self) -> str:
        """Return who went on when, and where the one before was then."""
        return "\n".join(
            f"  {name}" + (f", the other at {where(*place)}" if place else "")
            for name, place in self._turns
        )

    # -- called by the thread whose turn it is ---------------------------------------------

    def point(self, frame: FrameType) -> None:
        """Let another thread go on, if it is so chosen."""
        if _decides(frame.f_code):
            self._where = frame.f_code, frame.f_lineno
            self._switch()

    def block(self, lock: Lock, timeout: float) -> bool:
        """Wait until *lock* is free; return False after *timeout* seconds (-1: never)."""
        me = self._current
        if me is None:
            raise Failure("the thread that checks would wait for ever")
        me.blocked_by, me.until = lock, None if timeout < 0 else self.now + timeout
        self._where = None
        self._switch()
        timed_out = lock.held
        me.blocked_by = me.until = None
        return not timed_out

    def _switch(self) -> None:
        me = self._current
        if me is None:
            return  # the thread that sets the scene, or checks
        # Whose turn it is cannot be asked after that: it may be ours again already.
        if not self.next(me):
            me.baton.acquire()
        self.check_abandoned()

    def check_abandoned(self) -> None:
        """Raise in a thread of a play that has failed already."""
        if self._abandoned:
            raise Abandoned

    def fail(self, actor: Actor, error: BaseException) -> None:
        """Note that *actor* went wrong; the play ends."""
        if self.error is None:
            self.error = Failure(f"{actor.name}: {type(error).__name__}: {error}")
            self.error.__cause__ = error
        self._abandoned = True

    def next(self, me: Actor | None) -> bool:
        """Choose who goes on, and hand on the baton; return whether it is *me*."""
        options, free = self._options(me)
        if not options and not all(actor.done for actor in self._actors):
            if self.error is None:
                waiting = ", ".join(actor.name for actor in self._actors if not actor.done)
                self.error = Failure(f"for ever waiting: {waiting}")
            self._abandoned = True
            options, free = [actor for actor in self._actors if not actor.done], 1
        if not options:
            self._current = None
            self._over.release()
            return False
        chosen = options[self._choose(len(options), free)]
        if chosen is not me:
            self._turns.append((chosen.name, self._where))
        if chosen.can_time_out and chosen.until is not None:
            self.now = max(self.now, chosen.until)
        self._current = chosen
        if chosen is me:
            return True
        chosen.baton.release()
        return False

    def _options(self, me: Actor | None) -> tuple[list[Actor], int]:
        """Return who may go on, and the number of those first ones who preempt nobody."""
        ready = [actor for actor in self._actors if actor.can_go_on]
        sleeping = [actor for actor in self._actors if actor.can_time_out]
        if ready and not self._timeouts:
            sleeping = []
        if me is not None and me.can_go_on:
            ready.remove(me)
            return [me, *ready, *sleeping], 1
        return [*ready, *sleeping], len(ready) or len(sleeping)

    def _choose(self, options: int, free: int) -> int:
        if options == 1 or self._abandoned:
            return 0
        number = len(self.made)
        if number > _MANY:
            self.error = self.error or Failure("it does not end")
            self._abandoned = True
            return 0
        choice = self._choices[number] if number < len(self._choices) else 0
        self.made.append((choice, options, free))
        return choice


class Lock:
    """A lock whose waiting the scheduler knows of; stands for `_thread.allocate_lock`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        while self.held:
            if not blocking or not self._scheduler.block(self, timeout):
                return False
        self.held = True
        return True

    def release(self) -> None:
        if not self.held:
            raise RuntimeError("release unlocked lock")
        self.held = False

    def locked(self) -> bool:
        return self.held

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


Scene = Callable[[Scheduler], tuple[dict[str, Callable[[], object]], Callable[[], object]]]


def walk(scene: Scene, preemptions: int, *, timeouts: bool = False) -> int:
    """Play *scene* in every way with at most so many *preemptions*; return in how many.

    With *timeouts*, waits end by theirs though others could go on; each is a preemption.

    *scene* returns what each thread does, and a check of what they leave behind. Raises
    `Failure`, with the choices that repeat it: hand them to `play`.
    """
    number = 0
    choices: list[int] | None = []
    while choices is not None:
        number += 1
        if number % 100 == 0:
            gc.collect()  # tracebacks keep connections, and those keep descriptors
        choices = _following(play(scene, choices, timeouts=timeouts), preemptions)
    return number


def play(
    scene: Scene, choices: Sequence[int], *, timeouts: bool = False
) -> list[tuple[int, int, int]]:
    """Play *scene* once, as *choices* say; return the choices made."""
    scheduler = Scheduler(choices, timeouts)
    try:
        with _stage(scheduler):
            works, check = scene(scheduler)
            scheduler.play(works)
            check()
    except Exception as error:
        made = [choice for choice, _, _ in scheduler.made]
        while made and not made[-1]:
            made.pop()
        raise Failure(f"{error}\nchoices: {made}\nturns:\n{scheduler.story()}") from error
    return scheduler.made


def _following(made: list[tuple[int, int, int]], preemptions: int) -> list[int] | None:
    """Return the next sequence of choices, depth first; None after the last."""
    spent = [choice >= free for choice, _, free in made]
    for last in reversed(range(len(made))):
        choice, options, free = made[last]
        left = preemptions - sum(spent[:last])
        if choice + 1 < options and (choice + 1 < free or left > 0):
            return [one for one, _, _ in made[:last]] + [choice + 1]
    return None


class _stage:
    """Puts the scheduler's locks and clock in the place of the core's for one play."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._puts: dict[str, Any] = {
            "allocate_lock": lambda: Lock(scheduler),
            "monotonic": lambda: scheduler.now,
        }

    def __enter__(self) -> None:
        for module, name, _ in _core_names(tuple(self._puts)):
            setattr(module, name, self._puts[name])

    def __exit__(self, *_: object) -> None:
        for module, name, own in _core_names(tuple(self._puts)):
            setattr(module, name, own)


@cache
def _core_names(names: tuple[str, ...]) -> list[tuple[Any, str, Any]]:
    return [
        (module, name, getattr(module, name))
        for path, module in list(sys.modules.items())
        if path.startswith("multipool.") and not path.startswith("multipool.testing")
        for name in names
        if hasattr(module, name)
    ]


@cache
def _decides(code: CodeType) -> bool:
    return Path(code.co_filename).name in DECIDING
