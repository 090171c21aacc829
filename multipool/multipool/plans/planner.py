"""The statements of one pool: which are to be prepared, and what is known of them."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from multipool.errors import PoolConfigError
from multipool.placeholders import is_several
from multipool.plans import limits
from multipool.plans.disturbing import disturbance
from multipool.plans.guard import Guard
from multipool.plans.handle import Handle
from multipool.plans.options import PrepareOptions
from multipool.plans.report import PlanReport, report_on
from multipool.plans.source import sql_of
from multipool.plans.statement import Statement, Wording
from multipool.session import first_word

if TYPE_CHECKING:
    from multipool.plans.shelf import Shelf

log = logging.getLogger("multipool")

#: The first words of the statements that PostgreSQL prepares.
PREPARABLE: Final = ("select", "insert", "update", "delete", "merge", "values", "with")

# Longer texts are not prepared by themselves: they are mostly data.
_LONGEST: Final = 10_000

# The views in which a statement would see that it is prepared.
_LOOKS_AT_ITSELF: Final = re.compile(r"pg_cursors|pg_prepared_statements", re.IGNORECASE)

# Constants that mean another time with each execution, but are read once when they are prepared.
_TIMES: Final = re.compile(r"'[^']*\b(?:now|today|tomorrow|yesterday)\b(?!\s*\()", re.IGNORECASE)

# So many statements, and texts of them, are remembered at most beside those asked for.
_MOST_STATEMENTS: Final = 1000
_MOST_WORDINGS: Final = 5000


class Planner:
    """What is to be prepared on the connections of one pool. Any thread may call it."""

    def __init__(self, name: str, options: PrepareOptions) -> None:
        self._name = name
        self.options = options
        # A thread may come back while it has it, when it collects what has a connection in it.
        self._lock = threading.RLock()
        #: The texts that are known, as they are executed.
        self.wordings: dict[str, Wording] = {}
        #: By text, and whether LIMIT and OFFSET are parameters.
        self._statements: dict[tuple[str, bool], Statement] = {}
        #: Whether texts that are not known are to be looked at.
        self.curious = options.threshold is not None
        # Whether a statement with parameters for its LIMIT was asked for.
        self._limits = options.limits
        #: Counts the changes after which what is prepared may be out of date.
        self.epoch = 0
        #: Why nothing is prepared, or None.
        self.off: str | None = None
        # What is prepared on each connection.
        self._shelves: WeakSet[Shelf] = WeakSet()
        # Whether it is known that no pooler is in between.
        self._direct = False

    # -- what is asked for ---------------------------------------------------------------

    def prepare(self, source: Any, with_limits: bool) -> Handle:
        """Ask for a statement to be prepared; see `Pool.prepare`."""
        try:
            sql = sql_of(source)
        except PoolConfigError as error:
            raise PoolConfigError(f"pool {self._name!r}: {error}") from None
        if first_word(sql) not in PREPARABLE:
            raise PoolConfigError(
                f"pool {self._name!r}: cannot prepare a statement that begins with"
                f" {first_word(sql).upper()}; allowed: {', '.join(PREPARABLE).upper()}"
            )
        if is_several(sql):
            raise PoolConfigError(
                f"pool {self._name!r}: cannot prepare more than one statement at once"
            )
        found = limits.split(sql) if with_limits else None
        head, values = found or (sql, ())
        with self._lock:
            wording = Wording(self._statement(head, limits=found is not None), values)
            if found is not None:
                self._limits = self.curious = True
            handle = Handle(self, sql, wording)
            self._keep(sql, wording)
        return handle

    def ask(self, sql: str, wording: Wording) -> Wording:
        """Count one handle more that wants prepared what is executed as *sql*.

        Returns what that is by now: the *wording*, unless it was forgotten while nobody asked.
        """
        with self._lock:
            before = wording.statement
            statement = self._statement(before.sql, limits=before.limits)
            if statement is not before:
                wording = Wording(statement, wording.values)
            statement.asked += 1
            statement.wanted = True
            met = self.wordings.get(sql)
            if met is None or met.statement is not statement:
                self._keep(sql, wording)
        return wording

    def ask_no_more(self, statement: Statement) -> None:
        """Count one handle less that wants *statement* prepared."""
        with self._lock:
            statement.asked -= 1
            statement.wanted = statement.asked > 0 or self.options.threshold is not None
        if not statement.wanted:
            self._slow_down()

    # -- what is executed -----------------------------------------------------------------

    def meet(self, sql: str) -> Wording | None:
        """Return what a text that is executed for the first time is, or None to leave it alone."""
        if len(sql) > _LONGEST or first_word(sql) not in PREPARABLE:
            return None
        if _LOOKS_AT_ITSELF.search(sql) or _TIMES.search(sql) or is_several(sql):
            return None
        if disturbance(sql):  # as SELECT INTO TEMP, which has others prepared anew each time
            return None
        found = limits.split(sql) if self._limits else None
        with self._lock:
            if found is not None:
                head, values = found
                known = self._statements.get((head, True))
                if known is not None or (self.options.limits and self.options.threshold):
                    statement = known or self._statement(head, limits=True)
                    return self._keep(sql, Wording(statement, values))
            if self.options.threshold is None:
                return None
            return self._keep(sql, Wording(self._statement(sql, limits=False)))

    def _statement(self, text: str, *, limits: bool) -> Statement:
        key = text, limits
        statement = self._statements.get(key)
        if statement is None:
            self._forget_some(self._statements, _MOST_STATEMENTS, lambda one: one)
            wanted = self.options.threshold is not None
            statement = Statement(text, Guard(), limits=limits, wanted=wanted)
            self._statements[key] = statement
        return statement

    def _keep(self, sql: str, wording: Wording) -> Wording:
        self._forget_some(self.wordings, _MOST_WORDINGS, lambda one: one.statement)
        self.wordings[sql] = wording
        return wording

    def _forget_some(self, known: dict[Any, Any], most: int, statement_of: Any) -> None:
        """Drop the older half of what nobody asked for, if there is too much of it."""
        if len(known) >= most:
            # The same thread may be back meanwhile, see `_lock`.
            found = [(key, known.get(key)) for key in tuple(known)]
            idle = [key for key, one in found if one is not None and not statement_of(one).asked]
            for key in idle[: most // 2]:
                known.pop(key, None)

    # -- what becomes of it ---------------------------------------------------------------

    def give_up(self, statement: Statement, reason: str) -> None:
        """Have *statement* not prepared, for a while."""
        statement.guard.give_up(reason)
        self.say_given_up(statement, reason)

    def say_given_up(self, statement: Statement, reason: str) -> None:
        """Log that *statement* is given up now."""
        log.warning(
            "pool %r: runs unprepared for the next %.0f s, since it %s: %s",
            self._name,
            statement.guard.seconds_to_retry() or 0.0,
            reason,
            statement.shown(),
        )

    def take_in(self, shelf: Shelf) -> None:
        """Note that there is another connection on which *shelf* is prepared."""
        with self._lock:
            self._shelves.add(shelf)

    def renew(self) -> None:
        """Have everything prepared anew, on all connections: something was altered."""
        with self._lock:
            self.epoch += 1
        self._slow_down()

    def _slow_down(self) -> None:
        with self._lock:
            shelves = tuple(self._shelves)
        for shelf in shelves:
            shelf.slow_down()

    @property
    def route_known(self) -> bool:
        """Whether it is known who is at the other end, see `learn`."""
        return self._direct or self.off is not None

    def learn(self, told: int | None, asked: int) -> None:
        """Compare the server process's id as told at connect with what the server says itself.

        Where they differ a pooler stands in between. Which server its clients' next
        transaction runs on is its own choice, so nothing may be left behind there.
        """
        if told == asked:
            self._direct = True
        elif self.off is None:
            self.off = "a pooler stands between this pool and its server"
            log.warning("pool %r: no statement is prepared: %s", self._name, self.off)

    def report(self) -> list[PlanReport]:
        """Return what is known of each statement; see `Pool.plans`."""
        self._slow_down()  # which tells what is counted already
        with self._lock:
            statements = list(self._statements.values())
        return [report_on(one, self.off) for one in statements]

    def begin_anew(self) -> None:
        """Take other locks, in a forked child: another thread may have held them."""
        self._lock = threading.RLock()
        for statement in self._statements.values():
            statement.guard.begin_anew()
