"""Whether a socket still has somebody at its other end, without asking over the line.

One ``poll`` of no duration costs a fraction of a microsecond, and sees whatever the
system knows: a backend that was terminated, a server that stopped, a reset by a proxy;
over TLS too. It cannot see a peer that went silent: TCP keepalive is there for that.
"""

from __future__ import annotations

import select
from typing import Final

#: What `look` answers.
ALIVE: Final = 0
READABLE: Final = 1
DEAD: Final = 2

_RDHUP: Final = getattr(select, "POLLRDHUP", 0)  # Linux only
_GONE: Final = getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0) | _RDHUP
_INVALID: Final = getattr(select, "POLLNVAL", 0)


def look(fd: int) -> int:
    """Return `ALIVE`, `DEAD`, or `READABLE`: then only the driver can tell (a NOTIFY, or
    the server's last words). A descriptor below 0 has no socket behind it: `ALIVE`."""
    if fd < 0:
        return ALIVE
    events = _poll(fd)
    if not events:
        return ALIVE
    return DEAD if events & (_GONE | _INVALID) else READABLE


if hasattr(select, "poll"):

    def _poll(fd: int) -> int:
        poll = select.poll()
        poll.register(fd, select.POLLIN | _RDHUP)
        found = poll.poll(0)
        return found[0][1] if found else 0

else:  # Windows; and gevent, whose patched select has no poll

    def _poll(fd: int) -> int:
        try:
            readable, _, _ = select.select([fd], [], [], 0)
        except (OSError, ValueError):
            return -1  # every bit: dead
        return 1 if readable else 0
