"""The thread that answers ``multipool top``, one for each process that wants it.

It sleeps in ``accept`` and holds no lock, so that a fork finds nothing taken. A socket of its
own for each process: a forked child closes what it inherited, and opens another.
"""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from multipool import upkeep
from multipool.watch import runtime
from multipool.watch.process import describe

log = logging.getLogger("multipool.watch")

#: Seconds that somebody may take to read the answer.
PATIENCE: Final = 2.0
#: Seconds until the next try to let somebody in, where there was no descriptor or memory for it.
PAUSE: Final = 0.2

#: What `accept` says of a socket that was shut down or closed.
_ENDED: Final = (errno.EBADF, errno.EINVAL, errno.ENOTSOCK)


class _Answering:
    """The socket of this process, and the thread behind it."""

    def __init__(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no unix sockets")
        self.pid = os.getpid()
        self.path: Path = runtime.make() / f"{self.pid}-{secrets.token_hex(4)}{runtime.SUFFIX}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(self.path))  # nobody else can enter the folder meanwhile
            self.path.chmod(0o600)
            self._socket.listen(8)
            threading.Thread(target=self._run, name="multipool-top", daemon=True).start()
        except BaseException:
            self.end()
            raise

    def _run(self) -> None:
        while True:
            try:
                asking, _ = self._socket.accept()
            except OSError as error:
                if error.errno in _ENDED:
                    return
                time.sleep(PAUSE)
                continue
            with asking, suppress(OSError):  # whoever asked has gone
                asking.settimeout(PATIENCE)
                asking.sendall(_answer())
                # Not by its close alone: a child forked meanwhile has it open too.
                asking.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Leave the socket to the parent: close this process's copy alone."""
        self._socket.close()

    def end(self) -> None:
        """Remove the socket, so that nobody asks in vain."""
        with suppress(OSError):
            self.path.unlink()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()


def _answer() -> bytes:
    try:
        return json.dumps(describe()).encode()
    except Exception as error:
        log.warning("multipool top was not answered: %s", type(error).__name__)
        return b""


_answering: _Answering | None = None
# Never waited for: who does not get it knows that another thread begins.
_beginning = threading.Lock()


def begin() -> None:
    """Answer from now on, unless this process does. Raises OSError where there can be no socket."""
    global _answering
    if _answering is not None and _answering.pid == os.getpid():
        return
    if upkeep.forks_ahead() or not _beginning.acquire(blocking=False):
        return
    try:
        _answering = _Answering()
    finally:
        _beginning.release()


def end() -> None:
    """Answer no more, as at exit; for a process that ends without its exit's functions."""
    if _answering is not None and _answering.pid == os.getpid():
        _answering.end()


def _after_fork_in_child() -> None:
    global _answering, _beginning
    _beginning = threading.Lock()
    if _answering is not None:
        _answering.forget()
        _answering = None


atexit.register(end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
