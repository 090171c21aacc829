"""The hot path in C, where that was built: it takes half of the time.

What is in C does the everyday case alone, and calls the function of `hotpath` that it stands for
in every other, so nothing is decided in two places.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from functools import update_wrapper
from time import monotonic
from types import BuiltinFunctionType
from typing import Any

from multipool import compiled
from multipool.borrower import Borrower, here
from multipool.clock import clock
from multipool.inner import Inner
from multipool.slot import Slot

#: Whether the hot path of new pools is the one in C. Not where gevent makes threads of
#: greenlets, which C would not tell apart.
in_use = compiled.wanted and isinstance(get_ident, BuiltinFunctionType)

#: What there is in C, in the order in which its functions are numbered.
_KINDS = ("getconn", "getconn_inline", "putconn", "endlease")


def quickest(inner: Inner, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same as *function*, one of those of `hotpath.lay`, in C if it can."""
    if not in_use:
        return function
    twin = compiled.stand_for(
        function,
        _KINDS.index(function.__name__),
        notes_frames=inner.tracing.frame_of is sys._getframe,
        waiting=inner.waiting,
        idle=inner.idle,
        match=inner.places.match,
        home=inner.home,
        status=inner.status,
        tracing=inner.tracing,
        upkeep=inner.upkeep,
        here=here,
        clock=clock,
        monotonic=monotonic,
        slot_type=Slot,
        borrower_type=Borrower,
    )
    return update_wrapper(twin, function)
