"""Who borrows: one mark for each thread, or greenlet where gevent makes threads of them.

A thread's ident will not do: the system gives it to the next thread as soon as the first
has ended. The mark lives in the thread's local storage and learns of its end from there.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final
from weakref import ref


class Borrower:
    """A thread that borrows connections."""

    __slots__ = ("_thread", "ended", "greenlet", "ident", "living", "overtook")

    def __init__(self) -> None:
        self.ident = get_ident()
        #: The same while the thread lives, else 0: so whose ``living`` is the `get_ident` of the
        #: thread that asks is that thread's, and the hot path need not look into its storage.
        self.living = self.ident
        #: Set when the thread ends.
        self.ended = False
        #: How often it has overtaken one who waits since it waited itself, see `handoff`.
        self.overtook = 0
        self._thread = ref(threading.current_thread())
        #: Returns the greenlet that it is, where there are any, else None.
        self.greenlet: Callable[[], Any] = _greenlet_here()

    @property
    def name(self) -> str:
        """The thread's name now, or as good as can be told once it is gone."""
        thread = self._thread()
        name = f"with ident {self.ident}" if thread is None else repr(thread.name)
        return f"{name} (ended)" if self.ended else name


def _greenlet_here() -> Callable[[], Any]:
    greenlet: Any = sys.modules.get("greenlet")
    return _nothing if greenlet is None else ref(greenlet.getcurrent())


def _nothing() -> None:
    """Stands for the greenlet of a thread."""


class _End:
    """Goes with its thread's local storage, and tells."""

    __slots__ = ("_borrower",)

    def __init__(self, borrower: Borrower) -> None:
        self._borrower = borrower

    def __del__(self) -> None:
        self._borrower.living = 0  # before the system can give the ident to another thread
        self._borrower.ended = True


class _Nobody(Borrower):
    """Stands for the borrower of what was never lent."""

    __slots__ = ()

    def __init__(self) -> None:
        self.ident = self.living = 0
        self.ended = False
        self.overtook = 0
        self.greenlet = _nothing

    @property
    def name(self) -> str:
        return "?"


NOBODY: Final = _Nobody()


class _Here(threading.local):
    """``here.borrower`` is the mark of the thread that asks."""

    #: Who comes in the midst of what is done at its thread's first call, as a signal's handler may.
    borrower: Borrower = NOBODY
    #: The `Waiter` of its last wait, to be used again. None while it waits: what it is given
    #: must be nobody's if an interrupt loses the wait.
    waiter: Any = None

    def __init__(self) -> None:
        self.borrower = Borrower()
        self._end = _End(self.borrower)


here = _Here()
