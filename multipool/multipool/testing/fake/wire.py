"""The sockets between a fake connection and its session."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


class Wire:
    """A pair of real sockets, so that poll and epoll see what they would see of PostgreSQL's.

    Bare descriptors: socket objects warn when a collector finds them open, and a driver's
    C library does not.
    """

    def __init__(self) -> None:
        server, client = socket.socketpair()
        client.setblocking(False)
        self._server = server.detach()
        self._client = client.detach()

    def __del__(self) -> None:
        self.end()
        self.hang_up()

    def fileno(self) -> int:
        """Return the client's descriptor, -1 after `hang_up`."""
        return self._client

    def ring(self) -> None:
        """Make the client's end readable, if it is still there."""
        with suppress(BrokenPipeError):
            os.write(self._server, b"!")

    def take_in(self) -> bool:
        """Make the client's end unreadable; return whether the server's end is open."""
        with suppress(BlockingIOError):
            return bool(os.read(self._client, 4096))
        return True

    def end(self) -> None:
        """Close the server's end: the client sees end of file."""
        descriptor, self._server = self._server, -1
        if descriptor >= 0:
            os.close(descriptor)

    def hang_up(self) -> None:
        """Close the client's end."""
        descriptor, self._client = self._client, -1
        if descriptor >= 0:
            os.close(descriptor)
