"""What a case plays in: a server of its own, a kind of pool, and ways to look and to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from benchmarks.measure import execute
from benchmarks.peers import Options, Params, Peer
from multipool.testing.server import EmbeddedServer

T = TypeVar("T")

#: What the pools' connections call themselves, so that the server's list tells them apart.
APPLICATION: Final = "case"


class Failed(Exception):
    """The pool did not do what the case asks for; the message says what it did."""


@dataclass(frozen=True)
class Scene:
    """The stage of one case."""

    kind: type[Peer]
    server: EmbeddedServer

    @property
    def params(self) -> Params:
        """The parameters of the pools' connections."""
        return {**self.server.params, "application_name": APPLICATION}

    def make(self, params: Params | None = None, **options: Any) -> Peer:
        """Return a pool, with its own test for dead connections on."""
        return self.kind(params or self.params, Options(careful=True, **options))

    def backends(self) -> int:
        """Return how many connections the pools have, as the server sees it."""
        names = self.server.psql("select application_name from pg_stat_activity")
        return names.splitlines().count(APPLICATION)

    def nobody_left(self, seconds: float = 3.0) -> bool:
        """Wait for the end of all the pools' connections; return whether it came in time."""
        return until(lambda: not self.backends(), seconds)


def until(true: Callable[[], object], seconds: float) -> bool:
    """Wait until *true* says so; return whether it did within *seconds*."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Attempt:
    """Something done in a thread, which may hang."""

    def __init__(self, task: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._task = task
        self._begun = time.monotonic()
        self._ended: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._task()
        except BaseException as error:
            self.error = error
        self._ended = time.monotonic()

    def ended(self, within: float) -> bool:
        """Wait at most *within* seconds; return whether it has ended."""
        self._thread.join(within)
        return self._ended is not None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self._ended or time.monotonic()) - self._begun


def in_thread(task: Callable[[], T], within: float = 5.0) -> T:
    """Return what *task* returns in a thread of its own. Raises `Failed` if it hangs."""
    attempt = Attempt(task)
    if not attempt.ended(within):
        raise Failed(f"a call hangs for more than {within:g} s")
    if attempt.error is not None:
        raise attempt.error
    result: T = attempt.result
    return result


def use(pool: Peer) -> int:
    """Borrow, ask for the backend's pid, give back; return the pid."""
    conn = pool.getconn()
    try:
        return pid_of(pool, conn)
    finally:
        pool.putconn(conn)


def pid_of(pool: Peer, conn: Any) -> int:
    """Return the pid of the backend that serves *conn*, leaving no transaction open."""
    pid: int = execute(conn, "select pg_backend_pid()")
    pool.raw(conn).rollback()
    return pid


def available(pool: Peer, size: int, seconds: float = 3.0) -> int:
    """Return how many connections, of *size*, can be borrowed at once within *seconds*.

    A borrower that is refused asks again. Each gives back its own, in its own thread.
    """
    deadline = time.monotonic() + seconds
    lent: list[Any] = []
    counted = threading.Event()

    def borrow() -> None:
        while time.monotonic() < deadline:
            try:
                conn = pool.getconn()
            except Exception:
                time.sleep(0.01)
                continue
            lent.append(conn)
            counted.wait()
            give_back(pool, [conn])
            return

    attempts = [Attempt(borrow) for _ in range(size)]
    until(lambda: len(lent) == size, seconds)
    found = len(lent)
    counted.set()
    for attempt in attempts:
        attempt.ended(1)
    lent.clear()
    return found


def give_back(pool: Peer, conns: Sequence[Any]) -> None:
    """Give all *conns* back, whatever state they are in."""
    for conn in conns:
        with suppress(Exception):
            pool.putconn(conn)


def told(error: BaseException | None, words: str) -> bool:
    """Return whether *error*, or what it was raised from, has *words* in its message."""
    while error is not None:
        if words in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
