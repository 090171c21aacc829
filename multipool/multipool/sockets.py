"""Sleeping on every socket at once, to learn of a connection's end when it happens.

The sockets are registered for the end of the stream alone: neither the answers to queries
nor a NOTIFY wake anybody. Linux only; elsewhere `SocketWatch` is None
and connections are looked at when they are checked out.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from multipool.slot import Slot


class _SocketWatch:
    """An epoll instance with a bell to wake its sleeper.

    Args:
        once: Tell of each end once, for one that sleeps here; else again and again until the
            socket is removed, for those who ask first whether there is any.
    """

    _bell = -1

    def __init__(self, *, once: bool) -> None:
        self._events = select.EPOLLRDHUP  # the system adds HUP and ERR
        if once:
            self._events |= select.EPOLLET
        self._epoll = select.epoll()
        #: ``poll(timeout, most)`` of the epoll instance, for who only wants to know whether.
        self.poll = self._epoll.poll
        #: The instance's descriptor, for who asks in C.
        self.number = self._epoll.fileno()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)
        # The system uses a number again as soon as its file is closed, so an event counts
        # for the slot that registered the number last.
        self._slots: dict[int, Slot] = {}
        #: What is called when one of these descriptors can be read.
        self._doors: dict[int, Callable[[int], object]] = {}

    def add(self, slot: Slot) -> None:
        """Watch the socket of *slot*."""
        if slot.fd < 0:
            return
        self._slots[slot.fd] = slot
        try:
            self._epoll.register(slot.fd, self._events)
        except FileExistsError:
            self._epoll.modify(slot.fd, self._events)
        except OSError:  # closed already, or no socket at all
            self._slots.pop(slot.fd, None)

    def remove(self, slot: Slot) -> None:
        """Watch it no more. Must come before its close."""
        if self._slots.get(slot.fd) is slot:
            del self._slots[slot.fd]
            with suppress(OSError, ValueError):
                self._epoll.unregister(slot.fd)

    def listen(self, fd: int, heard: Callable[[int], object]) -> None:
        """Have the sleeper call ``heard(fd)``, which reads all of it, when *fd* can be read."""
        self._doors[fd] = heard
        with suppress(OSError):  # closed already
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def forget(self, fd: int) -> None:
        """No more. Must come before its close."""
        if self._doors.pop(fd, None) is not None:
            with suppress(OSError, ValueError):
                self._epoll.unregister(fd)

    def ring(self) -> None:
        """Wake the sleeper."""
        with suppress(OSError):  # rung to the brim, or closed
            os.eventfd_write(self._bell, 1)

    def sleep(self, timeout: float) -> list[Slot]:
        """Sleep until the bell, an end, or *timeout* seconds; return whose stream has ended."""
        ended = []
        for fd, _ in self._epoll.poll(timeout):
            if fd == self._bell:
                with suppress(OSError):
                    os.eventfd_read(self._bell)
            elif (slot := self._slots.get(fd)) is not None:
                ended.append(slot)
            elif (heard := self._doors.get(fd)) is not None:
                heard(fd)
        return ended

    def close(self) -> None:
        """Close both descriptors: in a forked child they are the parent's."""
        with suppress(OSError):
            self._epoll.close()
        self._close_bell()

    def __del__(self) -> None:
        # The instance closes itself, when nobody has its `poll` any more.
        self._close_bell()

    def _close_bell(self) -> None:
        bell, self._bell = self._bell, -1
        with suppress(OSError):
            if bell >= 0:
                os.close(bell)


_able = hasattr(select, "epoll") and hasattr(select, "EPOLLRDHUP") and hasattr(os, "eventfd")
SocketWatch: Any = _SocketWatch if _able else None
