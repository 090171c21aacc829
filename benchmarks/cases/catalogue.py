"""All cases by their numbers, which are those of the design."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.cases import breaking, losing, state, waiting
from benchmarks.cases.scene import Scene

CASES: Final[Mapping[int, Callable[[Scene], None]]] = {
    1: waiting.handed_over_too_late,
    2: waiting.interrupted,
    3: losing.dropped,
    4: losing.returned_by_finaliser,
    5: breaking.forked,
    6: breaking.restarted,
    7: state.outlived,
    8: waiting.eight_on_one,
    9: waiting.closed_under_use,
    10: state.hooks_fail,
    11: waiting.rollback_hangs,
    12: breaking.leaves_in_peace,
    13: breaking.clock_jumps,
    14: losing.returned_twice,
    15: breaking.interrupted_query,
    16: losing.forgotten,
    17: losing.never_too_many,
    18: state.traces,
    19: state.left_prepared,
    20: waiting.own_deadlock,
}


def title(number: int) -> str:
    """Return what case *number* asks for: the first line of its docstring."""
    return (CASES[number].__doc__ or "").strip().splitlines()[0]
