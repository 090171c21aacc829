"""Closed connections whose server has not hung up yet.

A server process ends some time after its client has said goodbye, and until then it counts against
the server's limit. So the place of a closed connection is free only when the server has hung up,
which a second descriptor of the same socket sees.
"""

from __future__ import annotations

import os
import select
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multipool.slot import Slot


def duplicate(fd: int) -> int | None:
    """Return a second descriptor of the socket *fd*; None if there is none to be had."""
    try:
        return os.dup(fd) if fd >= 0 and hasattr(select, "poll") else None
    except OSError:  # closed behind our back, or not a file's descriptor (Windows)
        return None


def await_end(fd: int, patience: float) -> bool:
    """Return whether the other end of *fd* has hung up, or does within *patience* seconds."""
    poll = select.poll()
    poll.register(fd, getattr(select, "POLLRDHUP", select.POLLIN))
    return bool(poll.poll(patience * 1000))


class Goodbye:
    """The place of a connection that is being closed, for whose server nobody waits.

    Args:
        fd: the connection's descriptor, of which this has its own.
        slot: its place.
        patience: seconds after which the place is free, whatever the server does.
    """

    def __init__(self, fd: int, slot: Slot, patience: float) -> None:
        self.slot = slot
        self._until = monotonic() + patience
        self._fd = duplicate(fd)

    @property
    def over(self) -> bool:
        """Whether the place is free."""
        return self._fd is None or monotonic() >= self._until or await_end(self._fd, 0)

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
