"""The points at which CPython may switch threads or deliver an interrupt.

The interpreter looks up from its work ("evaluates its breaker") only after a call, at the
beginning of a function and when it jumps backward. Between two such points a thread is alone
under the GIL and nothing can be raised from outside, and the pool's hot path stands on that.
So a walk that stopped between any two lines would find faults that cannot be, and one that
stopped between calls alone would miss some.
"""

from __future__ import annotations

import dis
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

import multipool

Visit = Callable[[FrameType], None]

_CORE = str(Path(multipool.__file__).parent)
_visits: dict[int, Visit] = {}

#: In a loop only the first so many passes of a point count.
PASSES = 2


@contextmanager
def visiting(visit: Visit) -> Iterator[None]:
    """Call *visit* at each such point of the pool's core that this thread passes.

    What *visit* raises is raised there, as an interrupt would be. Needs `stepping`.
    """
    _visits[get_ident()] = visit
    try:
        with _tracing():
            yield
    finally:
        del _visits[get_ident()]


def once_at(
    number: int,
    act: Callable[[], object],
    skip: Callable[[FrameType], bool] = lambda frame: False,
) -> tuple[Visit, list[str]]:
    """Return a visit that calls *act* at the point of that *number*, and where that was, if it was.

    Of a loop's points only the first `PASSES` count, and of those that *skip* says none.
    """
    places: list[str] = []
    passed = itertools.count()
    passes: Counter[object] = Counter()

    def visit(frame: FrameType) -> None:
        point = frame.f_code, frame.f_lasti
        passes[point] += 1
        if places or passes[point] > PASSES or skip(frame):
            return
        if next(passed) == number:
            places.append(where(frame.f_code, frame.f_lineno))
            act()

    return visit, places


def where(code: CodeType, line: int) -> str:
    """Return a line in words, as ``places.py:12 in match``."""
    return f"{Path(code.co_filename).name}:{line} in {code.co_name}"


@cache
def _points(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions that come right after the interpreter looked up.

    An exception that we raise comes from the instruction after the point, an interrupt from
    the one before it. Where these two would go to different handlers, there is no point.
    """
    if not code.co_filename.startswith(_CORE) or "/testing/" in code.co_filename:
        return frozenset()
    covered = dis.Bytecode(code).exception_entries

    def handler(offset: int) -> int:
        return next((one.target for one in covered if one.start <= offset < one.end), -1)

    found = set()
    instructions = list(dis.get_instructions(code))
    for before, after in itertools.pairwise(instructions):
        name = before.opname
        if name == "RESUME" or (name.startswith("CALL") and "INTRINSIC" not in name):
            reached = after.offset
        elif "JUMP_BACKWARD" in name:
            reached = before.argval
        else:
            continue
        if handler(before.offset) == handler(reached):
            found.add(reached)
    return frozenset(found)


def _reached(frame: FrameType) -> None:
    visit = _visits.get(get_ident())
    if visit is not None:
        visit(frame)


# Two ways to go step by step: Python 3.13 overlooks steps under `sys.settrace`, and
# Python 3.11 has nothing else.

if sys.version_info >= (3, 12):
    _TOOL = 3  # one that no known tool uses

    def _step(code: CodeType, offset: int) -> Any:
        if offset not in _points(code):
            return sys.monitoring.DISABLE
        _reached(sys._getframe(1))
        return None

    @contextmanager
    def stepping() -> Iterator[None]:
        """Let `visiting` work in the block."""
        monitoring = sys.monitoring
        monitoring.use_tool_id(_TOOL, __name__)
        monitoring.register_callback(_TOOL, monitoring.events.INSTRUCTION, _step)
        monitoring.set_events(_TOOL, monitoring.events.INSTRUCTION)
        monitoring.restart_events()
        try:
            yield
        finally:
            monitoring.set_events(_TOOL, monitoring.events.NO_EVENTS)
            monitoring.free_tool_id(_TOOL)

    @contextmanager
    def _tracing() -> Iterator[None]:
        yield

else:

    def _begin(frame: FrameType, event: str, arg: Any) -> Any:
        points = _points(frame.f_code)
        if not points:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False

        def step(frame: FrameType, event: str, arg: Any) -> Any:
            if event == "opcode" and frame.f_lasti in points:
                _reached(frame)
            return step

        return step

    @contextmanager
    def stepping() -> Iterator[None]:
        """Let `visiting` work in the block."""
        yield

    @contextmanager
    def _tracing() -> Iterator[None]:
        outer = sys.gettrace()
        sys.settrace(_begin)
        try:
            yield
        finally:
            sys.settrace(outer)
