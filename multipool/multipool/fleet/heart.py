"""The heartbeat of this process on one server: when, how, and what comes of it.

Upkeep asks it now and then whether it is time (`Heart.tick`); the beat itself is made where
nobody waits for it. Whatever goes wrong with one is left at that: the next may fare better.
"""

from __future__ import annotations

import json
import logging
import random
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from multipool.amid import is_own
from multipool.fleet.calls import Call, Calls
from multipool.fleet.errors import MISSING, REMEDY
from multipool.fleet.lines import Line, borrowed, grow, opened
from multipool.fleet.options import LONGEST, SHORTEST, FleetOptions
from multipool.fleet.reporting import Report, Reporter
from multipool.fleet.wire import as_json
from multipool.pauses import Pauses

if TYPE_CHECKING:
    from multipool.inner import Inner

log = logging.getLogger("multipool.fleet")

#: Seconds between two beats while somebody reads.
WATCHED: Final = 2.0
#: Seconds at least between two connections of our own.
SELDOM: Final = 30.0
#: Beats of all processes together in a second at most: above it each beats less often.
WRITES: Final = 50
#: Seconds that a new process is given before its first beat, so that this tells more than that
#: there is one connection. Inline nobody may call again so soon.
SETTLING: Final = 1.0
#: Seconds that a goodbye may take: somebody waits for it.
MOMENT: Final = 0.3
#: Seconds until it is asked again, where somebody else is at it.
LATER: Final = 0.05

BEAT: Final = "select multipool.beat(%s::jsonb)::text"
GOODBYE: Final = "select multipool.goodbye(%s::jsonb)::text"
SWEEP: Final = "select multipool.sweep()::text"


class Heart:
    """One for each server that this process has pools on with ``fleet``."""

    def __init__(self, options: FleetOptions) -> None:
        self._options = options
        self._reporter = Reporter(options.app)
        self._calls = Calls()
        #: Monotonic times before which no connection is opened in a pool, since the last attempt
        #: failed; and before which there is none of our own.
        self._next_growth = 0.0
        self._next_own = 0.0
        #: What the server told last.
        self._epoch: str | None = None
        self._watched = False
        self._processes = 0
        #: Seconds until the next beat, as the last one that was written said: by these others tell
        #: whether it is silent.
        self._told = LONGEST
        #: Whether the last beat told of trouble. If not, trouble is news.
        self._troubled = False
        self._warned: str | None = None
        #: Until the next look at a server where the fleet is not installed.
        self._pauses = Pauses()

    def tick(self, inner: Inner) -> float:
        """Beat if it is time; return the monotonic time at which to be asked again.

        Blocks on nothing, but where *inner* has its upkeep inline.
        """
        now = monotonic()
        calls = self._calls
        if calls.lock.locked():  # somebody is at it; this very thread, if a signal has come
            return now + LATER
        with calls.lock:
            self._reporter.join(inner)
            if calls.due is None:
                calls.due = now if inner.inline else now + SETTLING
            busy_until = calls.look(now)
            if busy_until is not None:
                return busy_until
            if now < calls.due:
                return calls.due
            call = calls.begin(now)
        inner.upkeep.background(inner, self._beat, call)
        with calls.lock:
            # By the next time it will have been made, unless it must be cut.
            return calls.due if calls.cut_at is None else min(calls.cut_at, now + self._every())

    def leave(self, inner: Inner) -> None:
        """Say goodbye if *inner* is the last of our pools: it is about to be closed.

        Takes `MOMENT` at most. What cannot be said in it, the silence says.
        """
        calls = self._calls
        if is_own(calls.lock):
            return
        with calls.lock:
            others = [one for one in self._reporter.inners() if one is not inner]
            if others or self._epoch is None or calls.under_way():
                return
            _call = calls.begin(monotonic(), MOMENT)  # which lasts until we are through
        inner.upkeep.soon(inner)  # who will cut it
        try:
            report = self._reporter.report(detailed=False)
            with suppress(Exception), borrowed([inner]) as line:
                if line is not None:
                    calls.line = line
                    line.ask(GOODBYE, as_json(report))
                    self._reporter.heard()
                    self._begin_anew()
        finally:
            calls.end(self._options.every)

    # -- one beat --------------------------------------------------------------------------

    def _beat(self, call: Call) -> None:
        pause = self._every()
        try:
            pause = self._by_any_line()
        except Exception as error:
            pause = self._failed(error)
        finally:
            self._calls.end(pause * random.uniform(0.95, 1.0))

    def _by_any_line(self) -> float:
        """Beat if there is a way to; return the seconds until the next."""
        inners = self._reporter.inners()
        random.shuffle(inners)
        # Made before one of its connections is with us.
        report = self._reporter.report(detailed=self._watched)
        if self._by_idle(inners, report):
            return self._pause()
        # Where a server does not answer, others are at it.
        ready = [one for one in inners if one.connected and one.places.outage is None]
        now = monotonic()
        if now >= self._next_growth:
            self._next_growth = now + SELDOM  # if it fails
            grown = grow(ready)
            self._next_growth = 0.0
            if grown and self._by_idle(ready, report):
                return self._pause()
        wait = self._next_own - now
        if self._reporter.in_trouble() and not self._troubled:
            wait -= SELDOM - self._options.every  # news, which somebody may wait for
        if wait > 0 or not ready:
            return min(max(wait, SHORTEST), self._pause())
        self._next_own = now + SELDOM
        with opened(ready[0]) as line:
            if line is not None:
                self._speak(line, report, SELDOM)
        return self._pause()

    def _by_idle(self, inners: list[Inner], report: Report) -> bool:
        """Beat if one of *inners* has a connection to spare; return whether it had."""
        with borrowed(inners) as line:
            if line is not None:
                self._speak(line, report, self._every())
        return line is not None

    def _every(self) -> float:
        """Return the seconds until the next beat, as far as the server has told."""
        wanted = min(self._options.every, WATCHED) if self._watched else self._options.every
        return min(max(wanted, self._processes / WRITES), LONGEST)

    def _pause(self) -> float:
        """Return the same; no longer than others were told, who hear with the next beat of more."""
        return min(self._every(), self._told)

    def _speak(self, line: Line, report: Report, every: float) -> None:
        self._calls.speak(line)
        answer = self._tell(line, report, every)
        if not answer["known"]:
            self._begin_anew()
            report = self._reporter.report(detailed=self._watched)
            answer = self._tell(line, report, every)
        if answer.get("written", True):  # an older version writes all, and does not say so
            self._reporter.heard()
            self._told = every
        self._epoch, self._processes = answer["epoch"], answer["processes"]
        self._watched, self._warned = answer["watched"], None
        self._pauses.begin_anew()
        self._troubled = self._reporter.troubled
        if answer["backend"] != line.backend:
            for inner in self._reporter.inners():
                tag(inner)
        if answer["sweep"]:
            line.ask(SWEEP)

    def _tell(self, line: Line, report: Report, every: float) -> Any:
        more = {"every": every, "epoch": self._epoch, "backend": line.backend}
        return json.loads(line.ask(BEAT, as_json({**report, **more})) or "null")

    def _begin_anew(self) -> None:
        """Go on as another process, since this one is retired."""
        self._reporter.be_born_again()
        self._epoch = None

    def _failed(self, error: Exception) -> float:
        """Warn once of what the server refuses; return the seconds until the next attempt."""
        if self._calls.was_cut():
            return SELDOM  # each attempt may cost the pool a connection
        inners = self._reporter.inners()
        state = inners[0].driver.sqlstate(error) if inners else None
        if state is None:
            return self._every()
        # A lock that is not to be had in a moment is nothing to speak of.
        if state not in ("55P03", self._warned):
            log.warning("no heartbeat: %s", _words(state, error))
            self._warned = state
        return self._pauses.next() if state in MISSING else self._every()


def _words(state: str, error: Exception) -> str:
    """Return why the server refuses; not in its own words, which may quote what was sent."""
    if state in MISSING:
        return REMEDY
    return f"{type(error).__name__} ({state})"


def tag(inner: Inner) -> None:
    """Have the connections of *inner* carry a mark that shows behind a pooler.

    There the numbers of the server's processes are made up, but an application's name goes
    through. Those that are open are replaced as they come back.
    """
    if not inner.target.tagged:
        inner.target.tagged = True
        inner.places.spend()
