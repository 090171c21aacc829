"""A thread that does to a pool whatever its users may do, good or bad, at random."""

from __future__ import annotations

import ctypes
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hard_cases.outside import ask, run

from multipool import ConnectionNotLeased, Pool


class Kill(BaseException):
    """Thrown into a worker from outside, wherever it is."""


class Book:
    """Who has which session, and what went against the rules."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        #: Monotonic times at which a session lost its client before the server could know.
        self.dropped: list[float] = []
        self.done = 0
        self._owners: dict[int, Worker] = {}

    def take(self, pid: int, worker: Worker) -> None:
        """Note that *worker* has the session *pid*, which nobody else may have."""
        owner = self._owners.setdefault(pid, worker)
        if owner is not worker and not owner.killed:
            self.violations.append(f"{owner.name} and {worker.name} both have session {pid}")
        self._owners[pid] = worker

    def leave(self, pid: int) -> None:
        """Note that a session is about to be given back."""
        self._owners.pop(pid, None)
        self.done += 1


class Worker(threading.Thread):
    """Borrows and gives back until *stop* is set, or it is killed."""

    def __init__(self, pool: Pool, book: Book, stop: threading.Event, seed: str) -> None:
        super().__init__(name=f"worker {seed}", daemon=True)
        self._pool = pool
        self._book = book
        self._stop_working = stop
        self._random = random.Random(seed)
        self._killable = False
        #: Held by whoever throws, and by what must not be struck.
        self.lock = threading.Lock()
        #: Whether something was thrown into it: then nobody knows what it has given back.
        self.killed = False
        self._deeds: list[tuple[int, Callable[[], None]]] = [
            (40, self.use),
            (10, self.use_by_hand),
            (5, self.fail),
            (5, self.leave_a_transaction),
            (5, self.change_the_session),
            (3, self.return_twice),
            (3, self.cancel),
            (2, self.close_by_hand),
            (2, self.drop),
            (1, self.dawdle),
        ]

    def run(self) -> None:
        try:
            try:
                self._killable = True
                self._work()
            finally:
                with self.lock:  # whoever throws has it too
                    self._killable = False
        except Kill:
            pass
        except BaseException as error:
            self._book.violations.append(f"{self.name}: {type(error).__name__}: {error}")

    def kill(self) -> None:
        """Throw `Kill` into the thread, once, if it is at work."""
        with self.lock:
            if self._killable and not self.killed:
                self.killed = True
                ident = ctypes.c_ulong(self.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Kill))

    def _work(self) -> None:
        weights, deeds = zip(*self._deeds, strict=True)
        while not self._stop_working.is_set():
            (deed,) = self._random.choices(deeds, weights)
            # Sessions are ended, waits time out, the server restarts.
            with suppress(self._pool.driver.Error):
                deed()

    # -- deeds -----------------------------------------------------------------------------

    def _lend(self) -> tuple[Any, int]:
        conn = self._pool.getconn(timeout=self._random.choice((0, 0.001, 0.05, 5)))
        pid = self._pool.driver.backend_pid(conn) or 0
        self._book.take(pid, self)
        return conn, pid

    def use(self) -> None:
        """The usual way."""
        with self._pool.connection(timeout=self._random.choice((0.001, 0.05, 5))) as conn:
            pid = self._pool.driver.backend_pid(conn) or 0
            self._book.take(pid, self)
            try:
                number = self._random.randrange(10**9)
                see = f"select {number}, pg_backend_pid(), current_setting('tenant.id', true)"
                found = ask(conn, see)
                if found[0][:2] != (number, pid):
                    self._book.violations.append(f"another's answer: {found}")
                if found[0][2]:
                    self._book.violations.append(f"another's session: {found}")
            finally:
                self._book.leave(pid)

    def use_by_hand(self) -> None:
        """By getconn and close."""
        conn, pid = self._lend()
        self._book.leave(pid)
        conn.close()

    def fail(self) -> None:
        """A statement that the server refuses."""
        with self._pool.connection(timeout=1) as conn:
            run(conn, "select 1/0")

    def leave_a_transaction(self) -> None:
        """Open, or failed, and not ended."""
        conn, pid = self._lend()
        try:
            run(conn, self._random.choice(("select 1", "select 1/0")))
        finally:
            self._book.leave(pid)
            self._pool.putconn(conn)

    def change_the_session(self) -> None:
        """Leave a tenant's name behind."""
        with self._pool.connection(timeout=1) as conn:
            run(conn, "set tenant.id to '42'")

    def return_twice(self) -> None:
        """Or more often than that; only the first may succeed."""
        conn, pid = self._lend()
        self._book.leave(pid)
        serial = conn._multipool_slot.serial
        conn.close()
        slot = conn._multipool_slot
        try:
            if slot is not None and slot.serial == serial:
                # If somebody borrows it just now that is a stale return, which is refused too.
                self._pool.putconn(conn)
        except ConnectionNotLeased:
            pass
        else:
            if slot is not None and slot.serial == serial:
                self._book.violations.append("a second return was accepted")

    def cancel(self) -> None:
        """A query that is cancelled half-way."""
        with self._pool.connection(timeout=1) as conn:
            cancelling = threading.Timer(0.01, self._cancel, [conn])
            cancelling.daemon = True
            cancelling.start()
            try:
                run(conn, "select pg_sleep(0.05)")
            finally:
                cancelling.join()

    def _cancel(self, conn: Any) -> None:
        with suppress(Exception):  # it may have been closed meanwhile, by anybody
            self._pool.driver.cancel(conn)

    def close_by_hand(self) -> None:
        """By the driver's own close, behind the pool's back."""
        conn, pid = self._lend()
        self._pool.driver.close(conn)
        self._book.leave(pid)
        self._book.dropped.append(time.monotonic())
        self._pool.putconn(conn)

    def drop(self) -> None:
        """Lose the lease."""
        conn, pid = self._lend()
        self._book.leave(pid)
        self._book.dropped.append(time.monotonic())
        del conn

    def dawdle(self) -> None:
        """Hold it for a while, doing nothing."""
        with self._pool.connection(timeout=1):
            time.sleep(self._random.random() / 20)
