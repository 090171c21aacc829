"""What a test lets an operation of the fake server do before its proper work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Final

from multipool.testing.fake.errors import OperationalError

if TYPE_CHECKING:
    from multipool.testing.fake.server import Backend

#: What can be scripted: what reaches the server, and the driver's own `drain`.
OPERATIONS: Final = ("connect", "close", "begin", "commit", "rollback", "execute", "drain")

# No test should hang for good because it forgot to release something.
_PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Call:
    """One call of an operation, as an action sees it."""

    operation: str
    #: The session concerned; None while connecting.
    backend: Backend | None = None
    #: The statement of an ``execute``.
    sql: str | None = None
    #: Seconds the caller of ``connect`` is willing to wait; None: no limit.
    timeout: float | None = None


#: Called, in the thread that makes the call, before the operation does its work. What it
#: raises the operation raises.
Action = Callable[[Call], object]


class Raise:
    """An action that raises *error*, be it an instance or a class."""

    def __init__(self, error: BaseException | type[BaseException]) -> None:
        self.error = error

    def __call__(self, call: Call) -> None:
        raise self.error


class Sleep:
    """An action that takes *seconds*; a connect whose timeout is shorter fails after that."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, call: Call) -> None:
        if call.timeout is not None and call.timeout < self.seconds:
            time.sleep(call.timeout)
            raise OperationalError("connection timeout expired")
        time.sleep(self.seconds)


class Hang:
    """An action that takes until `release`; a connect fails when its timeout is over.

    Any number of calls may hang in one of these.
    """

    def __init__(self) -> None:
        self._reached = Event()
        self._released = Event()

    def __call__(self, call: Call) -> None:
        self._reached.set()
        if not self._released.wait(_PATIENCE if call.timeout is None else call.timeout):
            if call.timeout is not None:
                raise OperationalError("connection timeout expired")
            raise AssertionError(f"{call.operation} hung for {_PATIENCE:g} s: release() forgotten?")

    def wait_until_reached(self, timeout: float = 5.0) -> None:
        """Wait until some call hangs here. Raises `AssertionError` after *timeout* seconds."""
        if not self._reached.wait(timeout):
            raise AssertionError(f"nothing hung within {timeout:g} s")

    def release(self) -> None:
        """Let go of those who hang here, and of those who come later."""
        self._released.set()
