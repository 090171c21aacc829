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


def piggybacking(driver: Any) -> Any:
    """Return an adapter as *driver*, all of whose connections send BEGIN with a statement."""

    class Piggybacking(type(driver)):  # type: ignore[misc]
        def connect(self, params: Any, timeout: float | None) -> Any:
            conn = super().connect(params, timeout)
            self.piggyback_begin(conn)
            return conn

    return Piggybacking()
