"""One at a time on this machine: those who have no connection, and open one to ask for a share.

The budget keeps one connection for each machine. Which of its processes uses it a file
decides, by a lock that the system takes back when its holder dies; what stands in the file then
tells the next one that the server may still be busy with ending the dead one's connection. Where
there are no such locks (Windows), or no place for the file, each process keeps to itself only.
"""

from __future__ import annotations

import errno
import os
from _thread import LockType, allocate_lock
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any, Final

from multipool.budget.meeting import meeting

fcntl: Any = None
with suppress(ImportError):
    import fcntl

#: Seconds between two attempts to get through; and until a dead holder's connection is gone.
_POLL: Final = 0.005
_MOURNING: Final = 0.2

#: A process's own threads, whom a lock on a file does not keep apart. Of a forked child's
#: parent nothing is known here.
_threads: Final[dict[tuple[int, str], LockType]] = {}


@contextmanager
def gate(where: object, patience: float) -> Iterator[bool]:
    """Yield whether this thread is alone, on this machine, at *where*, within so many seconds.

    What the block leaves by an error is taken for not cleaned up yet.
    """
    until = monotonic() + patience
    path = meeting(where, "lock")
    lock = _threads.setdefault((os.getpid(), path), allocate_lock())
    if not lock.acquire(timeout=max(patience, 0)):
        yield False
        return
    fd = -1
    try:
        fd = _open(path)
        while not (alone := _lock(fd)) and monotonic() < until:
            sleep(_POLL)
        if alone and fd >= 0:
            if os.fstat(fd).st_size:
                sleep(_MOURNING)
            with suppress(OSError):  # no space left: then nobody mourns us
                os.pwrite(fd, b"!", 0)
        yield alone
        if alone and fd >= 0:
            with suppress(OSError):
                os.ftruncate(fd, 0)
    finally:
        if fd >= 0:
            os.close(fd)  # and with it the lock
        lock.release()


def _open(path: str) -> int:
    if fcntl is None:
        return -1
    try:
        # Not what somebody else has laid there for us to follow.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1


def _lock(fd: int) -> bool:
    if fd < 0:
        return True
    try:
        # POSIX's kind, which a forked child does not inherit.
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything else is a place where there are no such locks, as on some network's.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
