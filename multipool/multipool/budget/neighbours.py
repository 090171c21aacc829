"""Those on this machine that share the budget with us: how to wake them, and who has died.

Each has a door, a socket in a directory of their own, and whoever needs something or has given
something back knocks at all the others': so they ask the store at once instead of now and then.
A knock says no more than that. Nobody depends on it: where there are no such sockets, or
no place for them, everybody learns of everything by his next claim.

A process is known to be dead if there is none of its number any more and its door has been shut,
which the system does when a process ends: the first alone may be said of one in another container
that shares the directory, the second of one that has closed what it had open.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

from multipool.budget.meeting import meeting, user

#: Seconds for which a dead one is mourned: the server may be about to begin a session that it
#: asked for with its last breath.
MOURNING: Final = 0.5

_able: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")


class Neighbours:
    """The door of one pool, and the way to the others'."""

    def __init__(self) -> None:
        self._directory: str | None = None
        self._door: Any = None
        self._path = ""
        self._owner = os.getpid()
        #: Since when they are known to be dead, by the names of their doors.
        self._dead: dict[str, float] = {}

    @property
    def fd(self) -> int:
        """The door's descriptor, which can be read when somebody knocks; -1 if there is none."""
        return -1 if self._door is None else self._door.fileno()

    def move_in(self, where: object, name: str) -> None:
        """Meet those who share at *where*, as *name*, of letters and digits. Once is enough."""
        if self._directory is not None or not _able:
            return
        # A directory of this very machine, should several have it in common.
        directory = _own(meeting((where, socket.gethostname(), _boot()), "d"))
        if not directory:
            self._directory = ""
            return
        path = f"{directory}/{os.getpid()}-{name}"
        door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        door.setblocking(False)
        try:
            door.bind(path)
        except FileNotFoundError:  # the last one there has just moved out, and closed it
            door.close()
            return
        except OSError:  # its name is too long for a socket
            door.close()
        else:
            self._door, self._path = door, path
        self._directory = directory

    def answer(self) -> None:
        """Let all in who have knocked."""
        with suppress(OSError):
            while self._door is not None:
                self._door.recv(1)

    def knock(self) -> None:
        """Wake the others."""
        if self._door is None:
            return
        for name in self._names():
            with suppress(OSError):  # one is dead, or has been woken so often already
                self._door.sendto(b"!", f"{self._directory}/{name}")

    def look(self) -> bool:
        """See who has died; return whether anybody has since the last look."""
        if self._door is None:
            return False
        names = self._names()
        for name in set(self._dead).difference(names):  # others have buried it
            self._dead.pop(name, None)
        found = [name for name in names if name not in self._dead and self._is_dead(name)]
        self._dead.update(dict.fromkeys(found, monotonic()))
        return bool(found)

    @property
    def mourned_until(self) -> float:
        """The monotonic time at which the next of the dead can be told of."""
        return min(list(self._dead.values()), default=float("inf")) + MOURNING

    def dead(self) -> list[str]:
        """Return the names of those who have been dead for long enough."""
        then = monotonic() - MOURNING
        return [name for name, since in list(self._dead.items()) if since <= then]

    def bury(self, names: list[str]) -> None:
        """Forget the dead of whom the store knows."""
        for name in names:
            self._dead.pop(name, None)
            with suppress(OSError):
                Path(f"{self._directory}/{name}").unlink()

    def move_out(self) -> None:
        """Shut the door; in a forked child it is the parent's, and stays."""
        door, self._door = self._door, None
        if door is not None:
            door.close()
            if self._owner == os.getpid():
                with suppress(OSError):
                    path = Path(self._path)
                    path.unlink()
                    path.parent.rmdir()  # if nobody else is there

    def __del__(self) -> None:
        self.move_out()

    def _names(self) -> list[str]:
        mine = self._path.rpartition("/")[2]
        with suppress(OSError):
            # Looked through ten times a second: paths would cost more than the look.
            return [name for name in os.listdir(self._directory) if name != mine]  # noqa: PTH208
        return []

    def _is_dead(self, name: str) -> bool:
        number = name.partition("-")[0]
        if not number.isdecimal():
            return False
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return self._is_shut(f"{self._directory}/{name}")
        except OSError:
            pass
        return False

    def _is_shut(self, path: str) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as visitor:
            visitor.setblocking(False)
            try:
                visitor.connect(path)
            except ConnectionRefusedError:
                return True
            except OSError:
                pass
        return False


def _own(path: str) -> str:
    """Return *path* if it is a directory that is ours alone, or can be made one; else nothing."""
    place = Path(path)
    with suppress(OSError):
        place.mkdir(0o700)
    try:
        found = place.lstat()
    except OSError:
        return ""
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == user() and not found.st_mode & 0o077
    return path if ours else ""


def _boot() -> str:
    """Return what no other machine says of itself, nor this one after its next start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return ""
