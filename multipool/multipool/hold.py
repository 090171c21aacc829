"""``with pool.hold()``: what runs in the block runs on one connection.

For those who borrow one for each statement (`Pool.execute`, `Pool.cursor`, and the Django
backends with ``hold="transaction"``), where something in the session must be there for the
next statement too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from multipool import lifecycle
from multipool.inner import Inner
from multipool.slot import Slot

if TYPE_CHECKING:
    from multipool.pool import Pool

# A context variable, so that a hold reaches what async code runs for it in a thread. A context
# that was copied in a block has it for as long as that context lives.
_blocks: Final[ContextVar[tuple[Block, ...]]] = ContextVar("multipool_holds")
_NONE: Final[tuple[Block, ...]] = ()


def block_of(inner: Inner) -> Block | None:
    """Return the block of a hold of a pool in which the caller is, the outermost."""
    for block in _blocks.get(_NONE):
        if block.inner is inner and not block.over:
            return block
    return None


def _begin_anew() -> None:
    """Let nobody wait, in a forked child, for a thread that is its parent's alone."""
    for block in _blocks.get(_NONE):
        block.turn = lifecycle.turn_after_fork(block.turn)


lifecycle.renew(_begin_anew)


class Hold:
    """The context manager behind `Pool.hold`. May be used over and over, in itself, and by threads
    and tasks at the same time: each has blocks of its own.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # All that have not ended, whoever entered them.
        self._entered: list[Block] = []

    def __enter__(self) -> None:
        block = Block(self._pool)
        try:
            self._entered.append(block)
            _blocks.set((*(one for one in _blocks.get(_NONE) if not one.over), block))
        except BaseException:  # an interrupt: there will be no end
            block.over = True
            self._entered = [one for one in self._entered if one is not block]
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._entered[-1]
        try:
            if len(self._entered) > 1:  # perhaps another thread's or task's
                here = [one for one in _blocks.get(_NONE) if one in self._entered]
                # Left in another context, as where a generator is a block, it is not among these.
                block = here[-1] if here else block
            self._entered.remove(block)
            # Not what there was before: a generator may have entered another since, and be in it.
            _blocks.set(tuple(one for one in _blocks.get(_NONE) if one is not block))
        finally:
            block.end(commit=kind is None)


class Block:
    """What happens between the beginning and the end of a hold."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Pool | None = pool  # kept alive for as long as its connection is out
        self.inner = pool._inner
        #: Whose turn it is to execute something, where threads or tasks share the block. Only
        #: with this is `over` sure to stay what it is.
        self.turn = threading.RLock()
        #: Whether it has ended; who is in a copy of its context may come later.
        self.over = False
        # What is to be done at the end, by who asked for it; see `at_end`.
        self._ends: dict[object, Callable[[], object]] = {}
        self._conn: Any = None
        self._serial = 0

    def at_end(self, who: object, function: Callable[[], object]) -> bool:
        """Call *function* when the block ends; *who* asks twice is heard once.

        Returns False where it has ended already.
        """
        with self.turn:
            if not self.over:
                self._ends[who] = function
            return not self.over

    def connection(self, timeout: float | None, depth: int) -> Any:
        """Return the block's connection, checked out for who calls *depth* frames above.

        For whom it is the `turn` of, until that is over.
        """
        if self._conn is None:
            self._conn = self.inner.getconn(timeout, depth + 1)
            self._serial = self._conn._multipool_slot.serial
        return self._conn

    def end(self, *, commit: bool) -> None:
        """Do what is to be done at the end, and give the connection back, whatever is raised.

        Waits for a statement of another thread's that is under way in the block.
        """
        self.over = True
        try:
            with self.turn:
                pass  # from here on all others see that it is over
            with ExitStack() as last:
                last.callback(self._commit, commit)
                # The first one first.
                for function in reversed(self._ends.values()):
                    last.callback(function)
        finally:
            self._let_go()
            self._pool = None

    def _commit(self, wanted: bool) -> None:
        if wanted and self._slot() is not None and self.inner.status(self._conn):
            self.inner.driver.commit(self._conn)

    def _let_go(self) -> None:
        slot = self._slot()
        conn, self._conn = self._conn, None
        if slot is not None:
            slot.end(conn, self._serial)

    def _slot(self) -> Slot | None:
        """Return its connection's slot; None if it has none, or it was closed meanwhile."""
        slot: Slot | None = None if self._conn is None else self._conn._multipool_slot
        if slot is None or slot.serial != self._serial or not slot.leased:
            return None
        return slot
