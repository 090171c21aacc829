"""What is prepared on one connection.

Used by who has the connection, which may be several threads if their driver lets them share one.
Others may only call `Shelf.slow_down`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Final, Protocol

from multipool.driver import IDLE, Driver
from multipool.plans.disturbing import CHANGES, DROPS, disturbance
from multipool.plans.planner import Planner
from multipool.plans.statement import Form, Quick, Statement, Wording

# For each statement that may be prepared, the counts of so many texts are kept.
_COUNTED: Final = 10

#: So many prepared executions of a statement are told to its guard at once.
BATCH: Final = 32
# Of so many texts it is remembered that they need no thinking about.
_QUICK: Final = 1000

#: SQLSTATE: no constraint is what ON CONFLICT names, as where that has a parameter in it, which one
#: plan for all values does not compare with an index's.
NO_SUCH_CONSTRAINT: Final = "42P10"
# What was made anew fails once. What fails so often on one connection is another thing each time,
# as where `search_path` goes to and fro between tables of different types.
_FAILURES: Final = 3


class Store(Protocol):
    """The driver's own store of what it has prepared, where it has one."""

    def drop(self) -> None:
        """Use no more what is prepared, and have the server drop it."""

    def forget(self) -> None:
        """Note that the server holds nothing any more."""


class Shelf:
    """The prepared statements of one connection, and how often others were executed on it."""

    def __init__(self, planner: Planner, driver: Driver) -> None:
        self.planner = planner
        self.driver = driver
        self.status = driver.status
        planner.take_in(self)
        #: What needs no thinking about, by the text that is executed. Any thread may clear it.
        self.quick: dict[str | Statement, Quick] = {}
        #: Whose turn it is to prepare, drop or execute something, among threads that are known to
        #: share the connection.
        self.turn = threading.RLock()
        #: What the server holds for us, the least recently used first.
        self.held: OrderedDict[Form, None] = OrderedDict()
        #: Names that the server still holds, to be dropped when something is prepared next.
        self.leftover: list[str] = []
        #: Whether several threads are known to share the connection, in this lease of it.
        self.shared = False
        self._lease = self._thread = 0
        #: Whether it is not known which of ours the server holds.
        self.doubtful = False
        #: Whether a transaction changed tables or the like that is not known to be over.
        self.changed = False
        #: What has just failed prepared, and is executed unprepared next; and how often each has.
        self.failed: Statement | None = None
        self._failures: dict[Statement, int] = {}
        # What is prepared anew if it goes well unprepared.
        self._doubted: Statement | None = None
        #: What the driver itself has prepared for us, if it does.
        self.store: Store | None = None
        self._epoch = planner.epoch
        self._counts: dict[str, int] = {}

    # -- before an execution ----------------------------------------------------------------

    def find(self, conn: Any, sql: str) -> Wording | None:
        """Return what *sql* is, if it is prepared or may come to be; None to leave it alone."""
        planner = self.planner
        self._meet(conn)
        if self.changed:
            # What was prepared now would be wrong after a ROLLBACK, be it to a savepoint.
            if self.status(conn) != IDLE:
                return None
            self.changed = False
            planner.renew()
        if self._epoch != planner.epoch:
            self._epoch = planner.epoch
            self.leave_behind(list(self.held))
            if self.store is not None:
                self.store.drop()
        found = planner.wordings.get(sql)
        if found is None and planner.curious:
            found = planner.meet(sql)
        return found

    def _meet(self, conn: Any) -> None:
        """Note whose thread thinks about a statement on *conn*."""
        slot, thread = conn._multipool_slot, threading.get_ident()
        if slot is None or (self._lease == slot.serial and self._thread == thread):
            return
        self.shared = self._lease == slot.serial
        self._lease, self._thread = slot.serial, thread

    def rests(self, statement: Statement) -> bool:
        """Return whether *statement* is given up for now, so that nobody looks at its times.

        Its execution, which is counted here, is to cost no more than if nobody had asked for it.
        """
        if not statement.guard.rests():
            return False
        if self.held:
            given_up = [form for form in tuple(statement.forms.values()) if form in self.held]
            if given_up:
                self.leave_behind(given_up)
        return True

    def wants(self, statement: Statement) -> bool:
        """Return whether the next execution of *statement*, which does not rest, is prepared."""
        if self.planner.off is not None or not statement.wanted:
            return False
        if self.failed is not None:
            failed, self.failed = self.failed, None
            if failed is statement:
                return False
        self._doubted = None  # it failed unprepared too
        guard = statement.guard
        if not (guard.trusted or guard.turn()):
            return False
        return statement.asked > 0 or self._often(statement.sql)

    def _often(self, sql: str) -> bool:
        threshold = self.planner.options.threshold
        if threshold is None:
            return False
        counts = self._counts
        count = counts.pop(sql, 0)
        often = count >= threshold
        counts[sql] = count if often else count + 1
        if len(counts) > _COUNTED * self.planner.options.max:
            del counts[next(iter(counts))]
        return often

    # -- after it -----------------------------------------------------------------------------

    def tell(self, quick: Quick, last: float) -> None:
        """Tell the guard of the executions that *quick* has counted, up to the *last*.

        Called by who has counted `BATCH` of them, or one that took longer than the guard's limit.
        """
        # The latest in use goes to the end, without being missed meanwhile.
        try:  # noqa: SIM105  # costs less
            self.held.move_to_end(quick.form)
        except KeyError:  # left behind, or the driver prepares by itself
            pass
        self._tell_guard(quick, last)

    def _tell_guard(self, quick: Quick, last: float) -> None:
        calls, seconds = quick.calls, quick.seconds
        quick.calls, quick.seconds = 0, 0.0
        reason = quick.guard.note_prepared(last, calls, seconds, by=quick)
        if reason is not None:
            self.planner.say_given_up(quick.statement, reason)

    def note_unprepared(self, statement: Statement, seconds: float) -> None:
        """Note how long an execution took that went well unprepared."""
        if self._doubted is not None:
            doubted, self._doubted = self._doubted, None
            if doubted is statement:
                self._renounce(statement)
        reason = statement.guard.note_unprepared(seconds)
        if reason is not None:
            self.planner.say_given_up(statement, reason)

    def be_quick(self, key: str | Statement, statement: Statement, form: Any = None) -> Quick:
        """Return what counts the prepared executions of *statement*, kept in `quick`.

        *key* is the text that is executed; or the statement itself, if it needs thinking about
        each time.
        """
        quick = self.quick.get(key)
        if quick is None or quick.form is not form or quick.statement is not statement:
            self.slow_down(key)
            quick = self.quick[key] = Quick(statement, form)
            if len(self.quick) > _QUICK:
                self.slow_down(next(iter(self.quick)))
            if self._epoch != self.planner.epoch:
                # All was to be prepared anew while this was: the next execution sees to it.
                self.slow_down(key)
        return quick

    def slow_down(self, *keys: str | Statement) -> None:
        """Think again about what `quick` has under *keys*, or all of it.

        Called by any thread; an execution that ends meanwhile may go uncounted.
        """
        for key in keys or tuple(self.quick):
            quick = self.quick.pop(key, None)
            if quick is not None and quick.calls:
                self._tell_guard(quick, quick.seconds / quick.calls)

    # -- what the server holds --------------------------------------------------------------

    def make_room(self, form: Form, *, inside: bool) -> list[str] | None:
        """Return the names of what the server is to drop before *form* is prepared.

        That is what was not used for longest. None where there is no room: *inside* of a
        transaction another thread that shares the connection may be about to execute what would be
        dropped, not knowing yet that it is to take turns, and the error would be the
        transaction's. So nothing is dropped there, and up to twice as much is held.
        """
        most = self.planner.options.max
        if self.shared and inside:
            left = [name for name in self.leftover if name == form.name]
            full = len(self.held) + len(self.leftover) - len(left) >= 2 * most
            return None if full or self.doubtful else left
        surplus = len(self.held) + 1 - most
        if surplus > 0:
            self.leave_behind(list(self.held)[:surplus])
        return list(self.leftover)

    def dropped(self, names: list[str]) -> None:
        """Note that the server has dropped what `make_room` named."""
        for name in names:
            with suppress(ValueError):  # all were dropped meanwhile
                self.leftover.remove(name)

    def cleared(self) -> None:
        """Note that the server holds nothing any more that we do not know of."""
        self.leftover.clear()
        self.doubtful = False

    def leave_behind(self, forms: list[Form]) -> None:
        """Use *forms* no more."""
        self.slow_down()
        for form in forms:
            with suppress(KeyError):  # somebody else may have left it behind
                del self.held[form]
                self.leftover.append(form.name)

    def _renounce(self, statement: Statement) -> None:
        """Have *statement* prepared anew."""
        self.leave_behind([form for form in list(self.held) if form.statement is statement])
        if self.store is not None:
            self.store.drop()

    def doubt(self, statement: Statement) -> None:
        """Note that *statement* failed, prepared, as it may fail unprepared; it is run so next."""
        self.failed = self._doubted = statement
        self.slow_down()

    def fail(self, statement: Statement, code: str) -> None:
        """Note that *statement* failed, prepared, with an SQLSTATE that is about the text."""
        self.failed = statement
        self._renounce(statement)
        failures = self._failures[statement] = self._failures.pop(statement, 0) + 1
        if len(self._failures) > self.planner.options.max:
            del self._failures[next(iter(self._failures))]
        if failures >= _FAILURES or code == NO_SUCH_CONSTRAINT:
            del self._failures[statement]
            self.planner.give_up(statement, f"has failed when prepared (SQLSTATE {code})")

    def forget(self) -> None:
        """Note that the server has dropped all that was prepared."""
        self.slow_down()
        self.held.clear()
        self.cleared()
        if self.store is not None:
            self.store.forget()

    def mistrust(self) -> None:
        """Note that the server does not hold what we believed it does."""
        self.slow_down()
        self.held.clear()
        self.leftover.clear()
        self.doubtful = True
        if self.store is not None:
            self.store.forget()

    # -- after another statement ------------------------------------------------------------

    def look_at(self, conn: Any, sql: str) -> None:
        """Note what *sql*, which was just run on *conn*, means for what is prepared."""
        found = disturbance(sql)
        if found == DROPS:
            self.mistrust()
        elif found == CHANGES:
            self.planner.renew()
            if self.store is not None:  # the driver goes on preparing by itself
                self.store.drop()
            if conn.closed or self.status(conn) == IDLE:
                return
            # Others see it only when it is committed, which has happened by the return.
            self.changed = True
            slot = conn._multipool_slot
            if slot is not None:
                slot.wary = True

    def returned(self) -> None:
        """Note that the borrower gave the connection back."""
        if self.changed:
            self.changed = False
            self.planner.renew()
