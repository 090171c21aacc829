"""What is done to one connection: open it, judge it, clean it, close it.

Knows the driver and the user's hooks, but no queue and no lock: whoever calls has the
connection to itself, and holds no lock, since all of this may talk to the server.
"""

from __future__ import annotations

import logging
import random
from time import monotonic
from typing import Any

from multipool.config import PoolConfig
from multipool.driver import Driver
from multipool.errors import PoolError, for_driver
from multipool.slot import Slot
from multipool.target import Target

log = logging.getLogger("multipool")

NEVER = float("inf")

#: The shortest of the jittered lifetimes, as a share of ``max_lifetime``.
SHORTEST = 0.95


class Caretaker:
    """Opens, judges, cleans and closes the connections of one pool."""

    def __init__(self, name: str, driver: Driver, target: Target, config: PoolConfig) -> None:
        self._name = name
        self._driver = driver
        self._target = target
        self._configure = config.configure
        self._check = config.check
        self._reset = config.reset
        self._max_lifetime = config.max_lifetime

    def open(self, slot: Slot, timeout: float) -> Any:
        """Open a connection, configure it and attach it to *slot*.

        Raises the driver's error, or what ``configure`` raises; nothing stays open then.
        """
        try:
            conn = self._driver.connect(self._target.params(), timeout)
            try:
                self._prepare(conn, slot)
            except BaseException:
                self._driver.close(conn)
                raise
        except BaseException as error:
            error.add_note(f"while pool {self._name!r} opened a connection")
            raise
        return conn

    def _prepare(self, conn: Any, slot: Slot) -> None:
        driver = self._driver
        if self._configure is not None:
            self._configure(conn)
            if driver.status(conn):
                raise for_driver(PoolError, driver.OperationalError)(
                    f"pool {self._name!r}: configure left a transaction open;"
                    " end it, or work in autocommit"
                )
        now = monotonic()
        expires = NEVER
        if self._max_lifetime is not None:
            # A little less for each, so that a burst of connects is no burst of reconnects.
            expires = now + self._max_lifetime * random.uniform(SHORTEST, 1.0)
        slot.settings = driver.remember(conn)
        slot.attach(conn, now, expires)

    def fit(self, conn: Any) -> bool:
        """Return whether an idle connection may be lent. Raises what ``check`` raises
        beside the driver's errors."""
        if monotonic() >= conn._multipool_slot.expires:
            return False
        if self._check is not None:
            try:
                self._check(conn)
                if self._driver.status(conn):
                    self._driver.rollback(conn)
            except self._driver.Error:
                return False
        return True

    def clean(self, conn: Any) -> bool:
        """Bring a returned connection to where the next borrower expects it.

        Returns False, and logs why, when it cannot be cleaned and must be closed.
        """
        try:
            if self._driver.status(conn):
                self._driver.rollback(conn)
            if self._reset is not None:
                self._reset(conn)
            if self._driver.status(conn) == 0:
                return True
            reason = "reset left a transaction open"
        except Exception as error:
            # Only its class: a message of the server's may quote a value.
            reason = type(error).__name__
        log.warning(
            "pool %r: a returned connection is closed, since it could not be cleaned: %s",
            self._name,
            reason,
        )
        return False

    def close(self, conn: Any, slot: Slot) -> None:
        """Close the connection of *slot* for good. Never raises."""
        slot.detach(conn)
        self._driver.close(conn)

    def abandon(self, conn: Any, slot: Slot) -> None:
        """Let go of a connection that belongs to the parent process. Never raises."""
        slot.detach(conn)
        self._driver.abandon(conn)
