"""What tests of every folder use: patience, and threads whose outcome is seen."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Wait until *condition* holds; fail after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "did not come to pass in time"
        time.sleep(0.002)


def line_of(function: Callable[..., Any], code: str) -> str:
    """Return where in *function* its line with *code* is, as the pool shows it."""
    lines, first = inspect.getsourcelines(function)
    number = next(number for number, line in enumerate(lines, first) if code in line)
    return f"{inspect.getsourcefile(function)}:{number} in {function.__name__}"


class Thread(threading.Thread):
    """A thread whose result, or error, `outcome` hands on."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def outcome(self, timeout: float = 5.0) -> Any:
        self.join(timeout)
        assert not self.is_alive(), "the thread hangs"
        if self._error is not None:
            try:
                raise self._error
            finally:
                # Else this frame and the error's traceback keep each other, and with them what
                # the thread had in its hands when it was stopped, up to the next collection.
                self._error = None
        return self._result


class LateRiser(Thread):
    """A thread that waits for a connection of *pool*, and does not run when it is given one.

    So it is with one that was woken and has not got the interpreter's lock yet. `rise` lets it.
    """

    def __init__(self, pool: Any) -> None:
        self._risen = threading.Event()
        places = pool._inner.places
        wait = places.wait

        def wait_late(waiter: Any, until: float) -> Any:
            if threading.current_thread() is self:
                self._risen.wait(10)
            return wait(waiter, until)

        places.wait = wait_late
        waiting = len(places.waiting)

        def borrow() -> Any:
            conn = pool.getconn()
            pool.putconn(conn)
            return conn

        super().__init__(borrow)
        until(lambda: len(places.waiting) > waiting)

    def rise(self) -> None:
        """Let it run."""
        self._risen.set()

    def served(self) -> Any:
        """Let it run; return the connection that it got, and gave back."""
        self.rise()
        return self.outcome()


def piggybacking(driver: Any) -> Any:
    """Return an adapter as *driver*, all of whose connections send BEGIN with a statement."""

    class Piggybacking(type(driver)):  # type: ignore[misc]
        def connect(self, params: Any, timeout: float | None) -> Any:
            conn = super().connect(params, timeout)
            self.piggyback_begin(conn)
            return conn

    return Piggybacking()


def read_text_backwards(driver: Any, conn: Any) -> None:
    """Register on *conn* how text is to be read."""
    if driver.name == "psycopg2":
        from psycopg2.extensions import new_type, register_type

        register_type(new_type((25,), "BACKWARDS", lambda value, _: value and value[::-1]), conn)
    elif driver.name == "psycopg":
        from psycopg.adapt import Loader

        class Backwards(Loader):
            def load(self, data: Any) -> str:
                return bytes(data).decode()[::-1]

        conn.adapters.register_loader("text", Backwards)
    else:
        conn.adapters.register_loader(25, lambda text: text[::-1])
