"""What a borrower does now, be it a thread, a task of asyncio or a greenlet."""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, Final
from weakref import ReferenceType, ref

from multipool.borrower import NOBODY, Borrower
from multipool.watch.library import is_library
from multipool.watch.stacks import Stack, lines_of, whole

#: What runs one thing after another in a thread: `asyncio` its callbacks, an executor its jobs.
_SERVING: Final = frozenset(["_run_once", "_worker"])

# Asyncio's, once somebody has imported it.
_tasks: Any = None
_events: Any = None


def task_here() -> ReferenceType[Any] | None:
    """Return the asyncio task that runs here, if any."""
    events = _events
    if events is None and (events := _find_asyncio()) is None:
        return None
    loop = events._get_running_loop()
    if loop is None:
        return None
    task = _tasks.current_task(loop)
    return None if task is None else ref(task)


def _find_asyncio() -> Any:
    global _events, _tasks
    _tasks = sys.modules.get("asyncio.tasks")
    # Not there while another thread is about to import it.
    _events = getattr(_tasks, "events", None)
    return _events


def doing(
    borrower: Borrower, task: ReferenceType[Any] | None, code: CodeType | None = None
) -> tuple[str, ...]:
    """Return the lines where *borrower* is now, or in parentheses why that cannot be told.

    *code*: where its lease began. A thread that runs an event loop, or an executor's jobs, and
    has that no more in its stack may be at somebody else's work by now: that is said.
    """
    if task is not None:
        found = task()
        if found is None or found.done():
            return ("(its task is done)",)
        coroutine = found.get_coro()
        if not getattr(coroutine, "cr_running", False):
            return lines_of(_suspended(coroutine)) or ("(its task has not begun)",)
    if borrower is NOBODY:
        return ()
    if borrower.ended:
        return ("(its thread has ended)",)
    frame = frame_of(borrower)
    if frame is None:
        return ("(not running: no thread of Python's)",)
    lines = lines_of(whole(frame))
    if task is None and code is not None and _may_have_moved_on(frame, code):
        return f"{lines[0]} (or what it held it for goes on elsewhere)", *lines[1:]
    return lines


def _may_have_moved_on(frame: FrameType | None, code: CodeType) -> bool:
    serves_many = False
    shared = is_library[code.co_filename]  # as an executor's own, in which every job runs
    while frame is not None:
        if frame.f_code is code and not shared:
            return False
        serves_many = serves_many or (
            frame.f_code.co_name in _SERVING and is_library[frame.f_code.co_filename]
        )
        frame = frame.f_back
    return serves_many


def frame_of(borrower: Borrower) -> FrameType | None:
    """Return where a thread or greenlet is now, if that can be told."""
    return sys._current_frames().get(borrower.ident) or _greenlet_frame(borrower)


def _suspended(coroutine: Any) -> Stack:
    """Return where a coroutine waits, the innermost of what it awaits first."""
    stack: list[Any] = []
    while coroutine is not None:
        frame = _attribute(coroutine, "frame")
        if frame is None:
            break
        stack[:0] = (frame.f_code, frame.f_lasti)
        coroutine = _attribute(coroutine, "await")
    return stack


def _attribute(coroutine: Any, name: str) -> Any:
    """Return ``cr_frame`` of a coroutine, ``gi_frame`` of a generator, and so on."""
    own = {"frame": ("cr_frame", "gi_frame", "ag_frame"), "await": ("cr_await", "gi_yieldfrom")}
    return next(
        (v for n in own[name] if (v := getattr(coroutine, n, None)) is not None),
        None,
    )


def _greenlet_frame(borrower: Borrower) -> FrameType | None:
    """Return where a greenlet was switched away from, if *borrower* is one."""
    greenlet = borrower.greenlet()
    frame: FrameType | None = getattr(greenlet, "gr_frame", None)
    return frame
