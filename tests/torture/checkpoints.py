"""The points at which CPython may switch threads or deliver an interrupt.

The interpreter looks up from its work ("evaluates its breaker") only after a call, at the
beginning of a function and when it jumps backward. Between two such points a thread is alone
under the GIL and nothing can be raised from outside, and the pool's hot path stands on that.
So a walk that stopped between any two lines would find faults that cannot be, and one that
stopped between calls alone would miss some.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import multipool

_CORE = str(Path(multipool.__file__).parent)
_CHECKING = ("CALL", "RESUME", "JUMP_BACKWARD", "POP_JUMP_BACKWARD")


class _Code:
    """One code object: where it looks up, and which handler covers what."""

    def __init__(self, code: CodeType) -> None:
        self.checking = {
            instruction.offset
            for instruction in dis.get_instructions(code)
            if instruction.opname.startswith(_CHECKING)
            and not instruction.opname.startswith("CALL_INTRINSIC")
        }
        self._covered = dis.Bytecode(code).exception_entries

    def handler(self, offset: int) -> int:
        """Return where an exception raised at *offset* goes, -1 if it leaves the function."""
        for entry in self._covered:
            if entry.start <= offset < entry.end:
                return int(entry.target)
        return -1


_code = cache(_Code)


def _is_core(code: CodeType) -> bool:
    path = code.co_filename
    return path.startswith(_CORE) and "/testing/" not in path


@contextmanager
def tracing(visit: Callable[[FrameType], None]) -> Iterator[None]:
    """Call *visit* at each such point of the pool's core that this thread passes.

    What *visit* raises is raised there, as an interrupt would be. A point at which that
    would go to another handler than the interrupt is left out: we stop before the next
    instruction, the interpreter at the end of the one before it.
    """

    def begin(frame: FrameType, event: str, arg: Any) -> Any:
        if not _is_core(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        code = _code(frame.f_code)
        before = -1

        def step(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal before
            if event == "opcode":
                at = frame.f_lasti
                if before in code.checking and code.handler(before) == code.handler(at):
                    before = at
                    visit(frame)
                before = at
            return step

        return step

    outer = sys.gettrace()
    # Python 3.12 heeds the wish for single steps only if some frame had it before.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(begin)
    try:
        yield
    finally:
        sys.settrace(outer)


def where(frame: FrameType) -> str:
    """Return the line of a point, as ``places.py:12 in match``."""
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"
