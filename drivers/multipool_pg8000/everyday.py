"""Cursors that do at once what an everyday execution comes to, where it is watched and prepared."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from multipool.watch.cursor import Observed
from multipool.watch.library import application
from multipool.watch.stacks import caller

_frame = sys._getframe

if TYPE_CHECKING:
    from collections.abc import Callable

    from multipool.plans.shelf import Shelf
    from multipool.plans.statement import Quick
    from multipool_pg8000.cursor import Params


class EverydayPlanned(Observed):
    """In front of an observed `PlannedCursor`: both in one, for what needs no thinking about.

    That is a statement of which nobody wants to know more than its line, and most of all one that
    is trusted. Between two system calls the processor's caches are cold, so each call less is
    worth several times what it costs in a loop of its own.
    """

    __slots__ = ()

    # What `PlannedCursor` has.
    _repeat: Callable[[Shelf, Quick, Params | None], bool]

    def execute(self, query: Any, params: Params | None = None) -> Any:
        """Run *query*, as its class does."""
        conn = self.connection
        sight = conn._multipool_sight
        if not sight.tracing.brief:
            return super().execute(query, params)
        # As `Observed` does.
        try:
            frame = _frame(1)
        except ValueError:  # called by no Python code, as in a new thread
            frame = _frame(0)
        code = frame.f_code
        sight.query = (code, frame.f_lasti) if code.co_filename in application else caller(frame)
        sight.query_lease = sight.slot.serial
        sight.statement = query
        try:
            shelf = conn._multipool_shelf
            quick = shelf.quick.get(query) if type(query) is str else None
            if quick is None or not quick.guard.trusted or not self._repeat(shelf, quick, params):
                self._multipool_execute(query, params)
        finally:
            sight.quiet_since = perf_counter()
            sight.statement = None
        return None
