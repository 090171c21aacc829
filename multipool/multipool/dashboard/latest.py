"""The snapshot that all viewers share: ten open pages ask the server no oftener than one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from multipool.dashboard.history import History
from multipool.dashboard.words import duration
from multipool.fleet.snapshot import Snapshot

#: Seconds for which a snapshot is served again. A page asks every two.
FRESH_FOR: Final = 1.0

#: Seconds for which whoever looks waits while somebody else reads.
PATIENCE: Final = 3.0


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

    def __init__(
        self,
        read: Callable[[], Snapshot],
        fresh_for: float = FRESH_FOR,
        patience: float = PATIENCE,
    ) -> None:
        """*read* asks the server; *fresh_for* and *patience* are in seconds."""
        self._read = read
        self._fresh_for = fresh_for
        self._patience = patience
        #: Held while the server is asked, since when says `_asking_since`.
        self._lock = Lock()
        self._asking_since: float | None = None
        self._history = History()
        #: The snapshot and when it was read: together, since they are looked at without the lock.
        self._last: tuple[Snapshot | None, float] = None, float("-inf")
        self._tried_at = float("-inf")
        self._error: str | None = None

    def get(self) -> Seen:
        """Return the latest, read now if it is older than *fresh_for*. Raises nothing.

        When the server cannot be asked, the snapshot before stays, and says how old it is. So it
        is while somebody else has waited for its answer for longer than *patience*.
        """
        since = self._asking_since
        waited = 0.0 if since is None else time.monotonic() - since
        if not self._lock.acquire(timeout=max(self._patience - waited, 0.0)):
            return self._seen(self._silence())
        try:
            if time.monotonic() - self._tried_at > self._fresh_for:
                self._renew()
            return self._seen(self._error)
        finally:
            self._lock.release()

    def _seen(self, error: str | None) -> Seen:
        snapshot, read_at = self._last
        return Seen(snapshot, time.monotonic() - read_at, error, self._history)

    def _silence(self) -> str | None:
        """Say for how long the server has not answered; it may have by now."""
        since = self._asking_since
        if since is None:
            return self._error
        return f"the server has not answered for {duration(time.monotonic() - since)}"

    def _renew(self) -> None:
        """Ask the server. The lock is held."""
        self._asking_since = time.monotonic()
        try:
            snapshot = self._read()
        except Exception as error:
            self._error = f"{type(error).__name__}: {str(error).strip()}"
        else:
            self._error = None
            now = time.monotonic()
            self._last = snapshot, now
            self._history.add(snapshot, now)
        finally:
            self._asking_since = None
        self._tried_at = time.monotonic()
