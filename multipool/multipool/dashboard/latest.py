"""The snapshot that all viewers share: ten open pages ask the server no oftener than one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from multipool.dashboard.history import History
from multipool.fleet.snapshot import Snapshot

#: Seconds for which a snapshot is served again. A page asks every two.
FRESH_FOR: Final = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot as it is shown: how old, and why not younger."""

    #: None if it never could be read.
    snapshot: Snapshot | None
    #: Seconds since it was read.
    age: float
    #: Why the last attempt failed; None if it did not.
    error: str | None
    history: History


class Latest:
    """Reads the fleet when somebody looks, and remembers the last minutes."""

    def __init__(self, read: Callable[[], Snapshot], fresh_for: float = FRESH_FOR) -> None:
        """*read* asks the server; *fresh_for* is in seconds."""
        self._read = read
        self._fresh_for = fresh_for
        self._lock = Lock()
        self._history = History()
        self._snapshot: Snapshot | None = None
        self._read_at = self._tried_at = float("-inf")
        self._error: str | None = None

    def get(self) -> Seen:
        """Return the latest, read now if it is older than *fresh_for*. Raises nothing.

        When the server cannot be asked, the snapshot before stays, and says how old it is.
        """
        with self._lock:
            if time.monotonic() - self._tried_at > self._fresh_for:
                self._renew()
            age = time.monotonic() - self._read_at
            return Seen(self._snapshot, age, self._error, self._history)

    def _renew(self) -> None:
        try:
            self._snapshot = self._read()
        except Exception as error:
            self._error = f"{type(error).__name__}: {str(error).strip()}"
        else:
            self._error = None
            self._read_at = time.monotonic()
            self._history.add(self._snapshot, self._read_at)
        self._tried_at = time.monotonic()
