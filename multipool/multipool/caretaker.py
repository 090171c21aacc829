"""What is done to one connection: open it, judge it, clean it, close it.

Knows the driver and the user's hooks, but no queue and no lock: whoever calls has the
connection to itself, and holds no lock, since all of this may talk to the server.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from multipool.config import RESETS, PoolConfig
from multipool.driver import ACTIVE, IDLE, ON_SERVER, UNKNOWN, Driver
from multipool.errors import PoolError, for_driver
from multipool.goodbyes import await_end, duplicate
from multipool.inherited import disown
from multipool.liveness import ALIVE, DEAD, look
from multipool.slot import Slot
from multipool.target import Target
from multipool.watch.exposed import connected
from multipool.watch.sight import Sight
from multipool.watch.stacks import whole
from multipool.watch.tracing import Tracing

if TYPE_CHECKING:
    from multipool.plans.planner import Planner

log = logging.getLogger("multipool")

NEVER = float("inf")

#: The shortest of the jittered lifetimes, as a share of ``max_lifetime``.
SHORTEST = 0.95

#: Seconds for which a close waits for the server to hang up.
GOODBYE = 1.0

#: The same where the server is not to have one connection more than it should, for a moment.
PATIENT_GOODBYE = 30.0


class Caretaker:
    """Opens, judges, cleans and closes the connections of one pool."""

    def __init__(
        self, name: str, driver: Driver, target: Target, config: PoolConfig, tracing: Tracing
    ) -> None:
        self._name = name
        self._driver = driver
        self._target = target
        self._config = config
        self._tracing = tracing
        #: What is to be prepared on its connections, once there is anything.
        self.planner: Planner | None = None
        # Held while a connection is fitted out: who opens it, and who begins something on all
        # connections, may meet there, and what it had from the first would be forgotten.
        self._fitting = threading.RLock()
        reset = config.reset
        self._reset_hook = reset if callable(reset) else None
        self._reset_sql = reset if isinstance(reset, str) and reset not in RESETS else None
        #: Whether each checkout, and each return, has something to do beyond the usual.
        self.busy = bool(
            config.check
            or config.on_checkout
            or config.on_return
            or reset == "always"
            or self._reset_hook
            or self._reset_sql
            or config.use_time
        )

    def open(self, slot: Slot, timeout: float) -> Any:
        """Open a connection, configure it and attach it to *slot*.

        Raises the driver's error, or what ``configure`` raises; nothing stays open then.
        """
        try:
            conn = self._driver.connect(self._target.params(), timeout)
            try:
                self._prepare(conn, slot)
            except BaseException:
                self.end(conn, GOODBYE)
                raise
        except BaseException as error:
            note = f"while pool {self._name!r} opened a connection"
            if note not in getattr(error, "__notes__", ()):  # it may be the same one again
                error.add_note(note)
            raise
        connected()
        return conn

    def _prepare(self, conn: Any, slot: Slot) -> None:
        config, driver = self._config, self._driver
        conn._multipool_noting = config.configure is not None
        configured = False
        for hook, option in ((config.configure, "configure"), (config.on_connect, "on_connect")):
            if hook is not None:
                told = hook(conn)
                if option == "configure":
                    configured = told is not False
                status = driver.status(conn)
                if status != IDLE:
                    reason = (
                        "closed the connection, or left it broken"
                        if status == UNKNOWN
                        else "left a transaction open; end it, or work in autocommit"
                    )
                    raise for_driver(PoolError, driver.OperationalError)(
                        f"pool {self._name!r}: {option} {reason}"
                    )
        self.plan(conn)
        self.see(conn, slot)
        slot.settings = driver.remember(conn, configured=configured)
        conn._multipool_noting = False
        now = monotonic()
        ends = NEVER
        if config.max_lifetime is not None:
            # A little less for each, so that a burst of connects is no burst of reconnects.
            ends = now + config.max_lifetime * random.uniform(SHORTEST, 1.0)
        if config.fleet:  # now, since whoever has it later must not be disturbed
            tagged = self._target.tagged
            slot.tag = driver.parameter_status(conn, "application_name") if tagged else None
        slot.attach(conn, now, ends, driver.fileno(conn))
        slot.backend_pid = driver.backend_pid(conn)
        if self._tracing.base:
            slot.opened_at = whole(sys._getframe(1))
        # Once more: a pool that began it meanwhile has looked for attached connections.
        self.plan(conn)
        self.see(conn, slot)

    def begin_anew(self) -> None:
        """Take other locks, in a forked child: another thread may have held them."""
        self._fitting = threading.RLock()
        if self.planner is not None:
            self.planner.begin_anew()

    def plan(self, conn: Any) -> None:
        """Have *conn* execute statements prepared, if the pool has any to prepare."""
        if self.planner is not None and conn._multipool_shelf is None:
            from multipool.plans.shelf import Shelf

            with self._fitting:
                if conn._multipool_shelf is None:
                    self._driver.use_plans(conn, Shelf(self.planner, self._driver))

    def see(self, conn: Any, slot: Slot) -> None:
        """Have what *conn* executes noted, if anybody wants to know."""
        if self._tracing.on and conn._multipool_sight is None:
            with self._fitting:
                if conn._multipool_sight is None:
                    self._driver.observe(conn, Sight(slot, self._tracing))

    # -- before it is lent -------------------------------------------------------------

    def worth_lending(self, conn: Any, slot: Slot, now: float) -> bool:
        """Return whether an idle connection may be lent. No round trip but ``check``'s.

        Raises what ``check`` raises beside the driver's errors.
        """
        if slot.spent or now >= slot.ends:
            return False
        if now - slot.since >= self._config.check_after and not self.alive(conn, slot):
            return False
        check = self._config.check
        if check is not None:
            try:
                check(conn)
                if self._driver.status(conn):
                    self._driver.rollback(conn)
            except self._driver.Error as error:
                log.warning(
                    "pool %r: an idle connection failed its check and is replaced: %s",
                    self._name,
                    type(error).__name__,
                )
                return False
        return True

    def alive(self, conn: Any, slot: Slot) -> bool:
        """Return whether the other end of an idle connection is there, as far as is known here."""
        seen = look(slot.fd)
        if seen == ALIVE:
            return True
        # After its server's last words a driver finds the end only at the second look.
        return seen != DEAD and self._driver.drain(conn) and look(slot.fd) != DEAD

    # -- when it comes back ------------------------------------------------------------

    def worth_keeping(self, conn: Any, slot: Slot) -> bool:
        """Bring a returned connection to where the next borrower expects it.

        Returns False, and logs why, when it must be closed instead.
        """
        if slot.spent:
            return False
        try:
            return self._clean(conn, slot)
        except Exception as error:
            # Of others only the class: a message of the server's may quote a value.
            self._complain(str(error) if isinstance(error, PoolError) else type(error).__name__)
            return False

    def _clean(self, conn: Any, slot: Slot) -> bool:
        driver, config = self._driver, self._config
        status = driver.status(conn)
        if status == UNKNOWN:
            return False  # closed or broken: its borrower knows
        if status == ACTIVE:
            self._complain("a query is still running, or was interrupted")
            return False
        if status != IDLE or driver.is_behind(conn):
            driver.rollback(conn)
        if slot.settled_lease:  # whoever has promised to did not return it: it was closed by hand
            slot.settled_lease = 0
            conn.settle()
        touched = slot.touched if config.reset != "never" else 0
        if config.reset == "always" or touched & ON_SERVER:
            driver.reset(conn, slot.settings)
            if conn._multipool_shelf is not None:
                conn._multipool_shelf.forget()
        if config.reset == "always" or touched:
            driver.restore(conn, slot.settings)
        if self._reset_sql is not None:
            driver.execute(conn, self._reset_sql)
            if conn._multipool_shelf is not None:
                conn._multipool_shelf.look_at(conn, self._reset_sql)
        if self._reset_hook is not None:
            self._reset_hook(conn)
        if config.on_return is not None:
            config.on_return(conn)
        if driver.status(conn) != IDLE:
            self._complain("reset or on_return left a transaction open")
            return False
        if conn._multipool_shelf is not None:
            conn._multipool_shelf.returned()
        slot.touched = 0
        return True

    def _complain(self, reason: str) -> None:
        log.warning(
            "pool %r: a returned connection is closed, since it could not be cleaned: %s",
            self._name,
            reason,
        )

    # -- at its end ----------------------------------------------------------------------

    def close(self, conn: Any, slot: Slot, patience: float) -> None:
        """Close the connection of *slot* for good. Never raises.

        Returns when the server has closed its side too, at the latest after *patience* seconds.
        """
        if self._config.on_close is not None:
            try:
                self._config.on_close(conn)
            except Exception as error:
                log.warning("pool %r: on_close failed: %s", self._name, type(error).__name__)
        slot.detach(conn)
        self.end(conn, patience)

    def end(self, conn: Any, patience: float) -> None:
        """Close *conn*, and wait for the server to do so too, for *patience* seconds at most."""
        other = duplicate(self._driver.fileno(conn)) if patience > 0 else None
        try:
            self._driver.close(conn)
            if other is not None:
                await_end(other, patience)
        finally:
            if other is not None:
                os.close(other)

    def abandon(self, conn: Any, slot: Slot) -> None:
        """Let go of a connection that belongs to the parent process. Never raises."""
        slot.leased = None  # the end of its lease's block has nothing to return
        slot.detach(conn)
        self._driver.abandon(conn)
        with suppress(TypeError):  # of a class that gives way to no other
            disown(conn, self._driver.InterfaceError)
