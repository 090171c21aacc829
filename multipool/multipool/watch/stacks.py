"""Where in the code something happened.

Kept are code objects and the place of the instruction in them, which costs a tenth of a
microsecond a frame; lines are looked up when somebody reads a report. Frames are never kept,
since they keep alive all that is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType, FrameType
from typing import Any, Final

from multipool.watch.library import is_library, library

#: Code objects, each followed by the place of the instruction in it, the innermost first.
Stack = Sequence[Any]
#: A code object and the place of an instruction in it. It is also a `Stack` of one frame.
Place = tuple[CodeType, int]

#: So many frames are kept at least, where there are as many; and further ones until so many of
#: the application's are among them; but never more than there are worth reading.
_INNERMOST: Final = 24
_APPLICATION: Final = 5
_MOST: Final = 100

_FIRST: Final = range(_INNERMOST)
_FURTHER: Final = range(_MOST - _INNERMOST)


def caller(frame: FrameType) -> Place:
    """Return the innermost place that is the application's, *frame*'s own if there is none."""
    code = frame.f_code
    if not is_library[code.co_filename]:
        return code, frame.f_lasti
    outer = frame.f_back
    for _ in range(_MOST):
        if outer is None:
            break
        if not is_library[outer.f_code.co_filename]:
            return outer.f_code, outer.f_lasti
        outer = outer.f_back
    return code, frame.f_lasti


def whole(frame: FrameType | None) -> Stack:
    """Return the stack of *frame*."""
    stack: list[Any] = []
    for _ in _FIRST:
        if frame is None:
            return stack
        stack.append(frame.f_code)  # which is quicker than a bound method in a local
        stack.append(frame.f_lasti)
        frame = frame.f_back
    if frame is not None:
        _go_on(frame, stack)
    return stack


def _go_on(frame: FrameType | None, stack: list[Any]) -> None:
    missing = _APPLICATION
    for code in stack[::2]:
        if not is_library[code.co_filename]:
            missing -= 1
            if not missing:
                return
    add = stack.append
    for _ in _FURTHER:
        if frame is None:
            return
        code = frame.f_code
        add(code)
        add(frame.f_lasti)
        if not is_library[code.co_filename]:
            missing -= 1
            if not missing:
                return
        frame = frame.f_back


def frame_at(frame: FrameType | None, code: CodeType | None, lasti: int) -> FrameType | None:
    """Return the innermost frame, *frame* or further out, that is at this place; None: none is."""
    while frame is not None and (frame.f_code is not code or frame.f_lasti != lasti):
        frame = frame.f_back
    return frame


def site_of(stack: Stack) -> Place:
    """Return the innermost place of a `whole` stack that is the application's, else its first."""
    index = 0
    try:
        while (name := stack[index].co_filename) in library or is_library[name]:
            index += 2
    except IndexError:
        index = 0
    return stack[index], stack[index + 1]


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
