"""The end of a connection, by whichever thread, and whatever another one is at."""

from __future__ import annotations

from contextlib import suppress
from os import getpid
from threading import get_ident
from typing import Any

from multipool.driver import UNKNOWN
from multipool_pg8000 import messages
from multipool_pg8000.internals import Link


class Closing(Link):
    """A `Link` that any thread may close.

    Whoever sends and reads writes itself down as `_owner`, and when it is through, that it is not
    any more; then it looks whether the connection was closed meanwhile, and calls
    `_hang_up_at_last`. Who closes does so the other way round: so one of the two sees the other.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The thread that is amid a statement; 0 if none is.
        self._owner = 0
        # A forked child holds a copy, and must not say goodbye in its parent's name.
        self._pid = getpid()
        # The socket of a connection that was closed amid another thread's statement.
        self._left_open: Any = None
        #: `multipool.driver`'s transaction status.
        self.state = UNKNOWN
        super().__init__(*args, **kwargs)

    def close(self) -> None:
        """Tell the server goodbye and close the socket. Does nothing on a closed connection.

        Amid another thread's statement it says nothing, as `hang_up` does: the goodbye would come
        among that thread's words.
        """
        stream = self._sock  # once, since another thread may be closing it too
        if stream is not None and self._pid == getpid() and not self._is_others():
            with suppress(OSError):  # it is gone already, which is what was wanted
                stream.send(messages.TERMINATE)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the socket without a word to the server. Never raises.

        Amid another thread's statement it is that thread which closes it, with the next piece of
        the answer: else it might read on from another file, which has the same number by then.
        """
        stream, sock = self._sock, self._usock
        self._usock = self._sock = None
        self.state = UNKNOWN
        if stream is not None:
            stream.closed = True
        if sock is not None:
            self._left_open = sock
        if not self._is_others():
            self._hang_up_at_last()

    def _is_others(self) -> bool:
        """Return whether another thread is amid a statement."""
        return self._owner not in (0, get_ident()) and self._pid == getpid()

    def _hang_up_at_last(self) -> None:
        """Close the socket of a connection that is closed, unless that is done already."""
        self.state = UNKNOWN  # whatever the end of the answer has made of it
        sock, self._left_open = self._left_open, None
        if sock is not None:
            with suppress(OSError):  # the descriptor is released all the same
                sock.close()

    def take_its_time(self) -> None:
        """Wait for answers as long as they take: the time limit was for connecting."""
        self._sock.until = None
        self._usock.settimeout(None)
