"""The fake server: sessions, what they hold, and counts of what was done."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, RLock
from typing import Any, Final, NamedTuple, TypeVar

from multipool.driver import IDLE
from multipool.testing.fake.errors import OperationalError
from multipool.testing.fake.script import OPERATIONS, Action, Call
from multipool.testing.fake.wire import Wire

DEFAULTS: Final = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "application_name": "",
    "standard_conforming_strings": "on",
    "server_version": "18.0",
}

A_ = TypeVar("A_", bound=Action)


class Notification(NamedTuple):
    """What NOTIFY sends."""

    channel: str
    payload: str


class Backend:
    """One session on the server: what a server process is to PostgreSQL."""

    def __init__(self, pid: int, application_name: str) -> None:
        self.pid = pid
        self.alive = True
        self.transaction = IDLE
        self.settings = DEFAULTS | {"application_name": application_name}
        self.channels: set[str] = set()
        #: Sent to the client and not read by it yet.
        self.unread: deque[Notification] = deque()
        #: Set to interrupt a query that runs: by a cancel or by the session's end.
        self.interrupt = Event()
        self.wire = Wire()

    def send(self, channel: str, payload: str) -> None:
        """Send a notification: the client's socket becomes readable."""
        self.unread.append(Notification(channel, payload))
        self.wire.ring()

    def end(self) -> None:
        """End the session as the server's process would: the client sees end of file."""
        self.alive = False
        self.wire.end()
        self.interrupt.set()


class FakeServer:
    """A server in memory. All counts begin with its making; every method is thread-safe."""

    def __init__(self, *, max_connections: int | None = None) -> None:
        #: Beyond so many sessions a connect is refused with SQLSTATE 53300. None: no limit.
        self.max_connections = max_connections
        #: Rows for statements that `sql` does not know.
        self.answers: dict[str, Sequence[tuple[Any, ...]]] = {}
        #: How often each operation was tried, by name (see `script.OPERATIONS`).
        self.calls: Counter[str] = Counter()
        #: How many sessions there have ever been, and the most at one time.
        self.opened = 0
        self.peak = 0
        self._running = True
        self._sessions: dict[int, Backend] = {}
        self._once: defaultdict[str, deque[Action]] = defaultdict(deque)
        self._always: dict[str, Action] = {}
        self._lock = RLock()

    # -- what a test asks --------------------------------------------------------

    @property
    def open(self) -> int:
        """How many sessions there are now."""
        return len(self._sessions)

    @property
    def pids(self) -> set[int]:
        """The pids of the sessions there are now."""
        with self._lock:
            return set(self._sessions)

    @property
    def round_trips(self) -> int:
        """How often a client waited for an answer, connecting and closing not counted."""
        return sum(self.calls[name] for name in ("begin", "commit", "rollback", "execute"))

    # -- what a test orders ------------------------------------------------------

    def once(self, operation: str, action: A_) -> A_:
        """Let the next call of *operation* run *action* first; more of them queue up.

        Returns *action*. Raises `ValueError` for an operation that there is not.
        """
        with self._lock:
            self._once[_known(operation)].append(action)
        return action

    def always(self, operation: str, action: A_) -> A_:
        """Let every call of *operation* that has no `once` run *action* first. Returns it."""
        with self._lock:
            self._always[_known(operation)] = action
        return action

    def clear(self, operation: str) -> None:
        """Forget what is scripted for *operation*."""
        with self._lock:
            self._once.pop(_known(operation), None)
            self._always.pop(operation, None)

    def kill(self, pid: int) -> None:
        """End a session, as ``pg_terminate_backend`` does. Raises `KeyError` if it is gone."""
        with self._lock:
            self._sessions.pop(pid).end()

    def stop(self) -> None:
        """End all sessions and refuse new ones until `start`."""
        with self._lock:
            self._running = False
            for pid in self.pids:
                self.kill(pid)

    def start(self) -> None:
        """Accept sessions again."""
        self._running = True

    # -- what the driver does ----------------------------------------------------

    def enter(self, call: Call) -> None:
        """Count *call* and run what is scripted for it."""
        with self._lock:
            self.calls[call.operation] += 1
            queue = self._once[call.operation]
            action = queue.popleft() if queue else self._always.get(call.operation)
        if action is not None:  # outside the lock: it may hang
            action(call)

    def connect(self, application_name: str, timeout: float | None) -> Backend:
        """Open a session. Raises `OperationalError` if the server is stopped or full."""
        self.enter(Call("connect", timeout=timeout))
        with self._lock:
            if not self._running:
                raise OperationalError("connection refused: is the server running?")
            if self.max_connections is not None and self.open >= self.max_connections:
                raise OperationalError("sorry, too many clients already", "53300")
            self.opened += 1
            backend = Backend(self.opened, application_name)
            self._sessions[backend.pid] = backend
            self.peak = max(self.peak, self.open)
            return backend

    def close(self, backend: Backend) -> None:
        """End the session at its client's request; one that has ended already stays so."""
        self.enter(Call("close", backend))
        self.lose(backend)

    def lose(self, backend: Backend) -> None:
        """End the session because its client's socket is gone."""
        if sys.is_finalizing():  # a thread that is stopped for good may hold the lock
            return
        with self._lock, suppress(KeyError):
            self.kill(backend.pid)

    def cancel(self, pid: int) -> None:
        """Interrupt the query that runs in a session, if one does."""
        with self._lock:
            backend = self._sessions.get(pid)
            if backend is not None:
                backend.interrupt.set()

    def notify(self, channel: str, payload: str = "") -> None:
        """Send a notification to every session that listens."""
        with self._lock:
            for backend in self._sessions.values():
                if channel in backend.channels:
                    backend.send(channel, payload)


def _known(operation: str) -> str:
    if operation not in OPERATIONS:
        raise ValueError(f"no operation {operation!r}; there are: {', '.join(OPERATIONS)}")
    return operation
