"""Who borrows: one mark for each thread.

A thread's ident will not do: the system gives it to the next thread as soon as the first
has ended. The mark lives in the thread's local storage and learns of its end from there.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from weakref import ref


class Borrower:
    """A thread that borrows connections."""

    __slots__ = ("_thread", "ended", "ident")

    def __init__(self) -> None:
        self.ident = get_ident()
        #: Set when the thread ends.
        self.ended = False
        self._thread = ref(threading.current_thread())

    @property
    def name(self) -> str:
        """The thread's name now, or as good as can be told once it is gone."""
        thread = self._thread()
        name = f"with ident {self.ident}" if thread is None else repr(thread.name)
        return f"{name} (ended)" if self.ended else name


class _End:
    """Goes with its thread's local storage, and tells."""

    __slots__ = ("_borrower",)

    def __init__(self, borrower: Borrower) -> None:
        self._borrower = borrower

    def __del__(self) -> None:
        self._borrower.ended = True


class _Here(threading.local):
    """``here.borrower`` is the mark of the thread that asks."""

    def __init__(self) -> None:
        self.borrower = Borrower()
        self._end = _End(self.borrower)


here = _Here()
