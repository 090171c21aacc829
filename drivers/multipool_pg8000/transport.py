"""Bytes to and from the server.

pg8000 reads through ``socket.makefile()``, which takes a system call for each few bytes
and keeps what it read ahead to itself. The sockets here answer `makefile` with a `Stream`,
so that pg8000's start-up and our own read loop share one buffer.
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import Any, Final, cast

#: How much is asked of the socket at once, in bytes, while more of an answer is sure to come.
CHUNK: Final = 128 * 1024
# And else: what the memory for it comes from must not be mapped and unmapped by the system for
# each answer, which takes longer than to read most of them.
_FIRST: Final = 16 * 1024

# How a socket says that it would have to wait.
_WOULD_WAIT: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Stream:
    """One socket's buffers: writes are gathered until `flush`, reads are taken by the chunk."""

    __slots__ = ("_ask", "_out", "_socket", "at", "closed", "data", "until")

    def __init__(self, sock: socket.socket, until: float | None = None) -> None:
        self._socket = sock
        #: Monotonic time by which all that is asked for must have come, or None. A socket's own
        #: timeout begins anew with each piece.
        self.until = until
        #: Set by another thread than the one that reads: then no more is sent or waited for.
        self.closed = False
        self._out: list[bytes] = []
        self._ask = _FIRST
        #: What was received, and how far it is consumed.
        self.data = b""
        self.at = 0

    def write(self, data: bytes) -> None:
        self._out.append(bytes(data))

    def flush(self) -> None:
        """Send what was written. Raises OSError."""
        data = b"".join(self._out)
        self._out.clear()
        self._socket.sendall(data)

    def send(self, data: bytes) -> None:
        """Send *data* at once. Raises OSError."""
        if self.closed:
            raise _closed()
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        """Return exactly *size* bytes. Raises OSError, for an end of file too."""
        self.need(size)
        start = self.at
        self.at = start + size
        return self.data[start : self.at]

    def need(self, size: int) -> None:
        """Wait until *size* bytes lie unconsumed in `data`. Raises OSError, of a timeout too."""
        have = len(self.data) - self.at
        if have >= size:
            return
        chunks = [self.data[self.at :]] if have else []
        while have < size:
            if self.closed:
                raise _closed()
            if self.until is not None:
                self._socket.settimeout(left(self.until))
            chunk = self._socket.recv(self._ask)
            if not chunk:
                raise ConnectionError("server closed the connection unexpectedly")
            chunks.append(chunk)
            have += len(chunk)
            self._ask = _FIRST if len(chunk) < _FIRST else CHUNK
        self.data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.at = 0

    def take_arrived(self) -> bool:
        """Add what has arrived to `data`, without waiting; return False at the end of file.

        Raises OSError if the connection is broken.
        """
        self._socket.settimeout(0)
        try:
            return self._take_arrived()
        finally:
            self._socket.settimeout(None)

    def send_and_take(self, data: bytes) -> bool:
        """Send *data*, and meanwhile do as `take_arrived`.

        A server that waits until what it says is taken takes nothing itself: to wait for it
        with `send` would be for ever. Raises OSError.
        """
        if self.closed:
            raise _closed()
        rest = memoryview(data)
        alive = True
        self._socket.settimeout(0)
        try:
            while alive and rest:
                try:
                    rest = rest[self._socket.send(rest) :]
                except _WOULD_WAIT:
                    self._wait_for_either()
                    alive = self._take_arrived()
            return alive and self._take_arrived()
        finally:
            self._socket.settimeout(None)

    def _take_arrived(self) -> bool:
        """Do as `take_arrived`, on a socket that does not wait."""
        chunks = [self.data[self.at :]]
        try:
            while chunk := self._socket.recv(CHUNK):
                chunks.append(chunk)
        except _WOULD_WAIT:
            return True
        finally:
            if len(chunks) > 1:
                self.data = b"".join(chunks)
                self.at = 0
        return False

    def _wait_for_either(self) -> None:
        """Wait until the socket takes or has something."""
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | select.POLLOUT)
            poll.poll()
        else:  # only Windows has none, and there select() takes any socket
            select.select([self._socket], [self._socket], [])


def _closed() -> ConnectionError:
    return ConnectionError("the connection was closed meanwhile")


def left(until: float) -> float:
    """Return the seconds up to the monotonic time *until*. Raises TimeoutError if it is over."""
    seconds = until - monotonic()
    if seconds <= 0:
        raise TimeoutError("timeout expired")
    return seconds


class PlainSocket(socket.socket):
    """A socket whose `makefile` is a `Stream`, and which closes in silence when dropped."""

    #: What its streams begin with, see `Stream.until`.
    until: float | None = None

    def __del__(self) -> None:
        # Dropping a connection ends it without a ResourceWarning, as with psycopg2; a pool
        # reports its own that get lost. It must be done here: in a cycle that is collected
        # the socket may be finalised before the connection. An interrupt in its making
        # leaves one that is not whole.
        with suppress(AttributeError):
            self.close()

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        return Stream(self, self.until)


class TLSSocket(ssl.SSLSocket):
    """A TLS socket whose `makefile` is a `Stream`.

    It must be an `ssl.SSLSocket`: pg8000 asks that before it offers channel binding.
    """

    until: float | None = None  # as a `PlainSocket`

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()  # in silence, as a `PlainSocket`

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        return Stream(cast(socket.socket, self), self.until)
