"""Where in the code something happened.

Kept are code objects and the place of the instruction in them, which costs a tenth of a
microsecond a frame; lines are looked up when somebody reads a report. Frames are never kept,
since they keep alive all that is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType

from multipool import compiled
from multipool.watch import walks
from multipool.watch.library import is_library
from multipool.watch.walks import Place as Place
from multipool.watch.walks import Stack as Stack

# In C, where it was built.
whole, caller, site_of, outermost = (
    compiled.bound_to(is_library)
    if compiled.wanted
    else (walks.whole, walks.caller, walks.site_of, walks.outermost)
)


def frame_at(frame: FrameType | None, code: CodeType | None, lasti: int) -> FrameType | None:
    """Return the innermost frame, *frame* or further out, that is at this place; None: none is."""
    while frame is not None and (frame.f_code is not code or frame.f_lasti != lasti):
        frame = frame.f_back
    return frame


def line_of(code: CodeType, lasti: int) -> str:
    """Return a place as ``file.py:12 in function``."""
    return f"{code.co_filename}:{line_number(code, lasti)} in {code.co_name}"


def line_number(code: CodeType, lasti: int) -> int:
    """Return the line of a place."""
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno


def lines_of(stack: Stack | None) -> tuple[str, ...]:
    """Return the lines of *stack* for a reader: the application's first, the innermost on top."""
    if stack is None:
        return ()
    places = list(_places(stack))
    places.sort(key=lambda place: is_library[place[0].co_filename])
    return tuple(line_of(*place) for place in places)


def _places(stack: Stack) -> Iterator[Place]:
    for index in range(0, len(stack), 2):
        yield stack[index], stack[index + 1]
