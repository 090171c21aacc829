"""Walks through a stack, for `stacks`, which has them in C where that was built (`_stacks.c`)."""

from __future__ import annotations

from collections.abc import Sequence
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
        if (name := code.co_filename) not in library and not is_library[name]:
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
        if (name := code.co_filename) not in library and not is_library[name]:
            missing -= 1
            if not missing:
                return
        frame = frame.f_back


def site_of(stack: Stack) -> Place:
    """Return the innermost place of a `whole` stack that is the application's, else its first."""
    index = 0
    try:
        while (name := stack[index].co_filename) in library or is_library[name]:
            index += 2
    except IndexError:
        index = 0
    return stack[index], stack[index + 1]


def outermost(frame: FrameType, name: str, module: str) -> FrameType | None:
    """Return the outermost frame, from *frame* on, of a function of the application's.

    But of the function *name* of *module*, if there is one, the innermost. None: there is neither.
    """
    found: FrameType | None = None
    outer: FrameType | None = frame
    while outer is not None:
        code = outer.f_code
        if code.co_name == name and outer.f_globals.get("__name__") == module:
            return outer
        if code.co_name != "<module>" and not is_library[code.co_filename]:
            found = outer
        outer = outer.f_back
    return found
