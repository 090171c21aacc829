"""What one pool has of its application's budget, and how it comes by more.

The pool may open nothing until the store has granted it, and nothing any more once the grant is
over: see `sharing` for the rules, which are the same for all. A claim goes, like a beat of the
fleet's, over an idle connection of the pool's; where all are in use, over the next one that
comes back; and where there is none at all, over a connection of its own, for which the budget
keeps one on each host, and which only one process there opens at a time (`gate`). Where others on
this machine have a reason to claim as well, it wakes them (`neighbours`).
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from multipool.amid import is_own
from multipool.budget import store
from multipool.budget.grant import Grant
from multipool.budget.neighbours import Neighbours
from multipool.budget.options import AUTO
from multipool.budget.sharing import (
    BREATH,
    ROUNDS,
    Claim,
    Mine,
    breath,
    decide,
    headroom,
    lease,
    pause,
)
from multipool.budget.talk import Talk
from multipool.budget.troubles import AGAIN, Troubles
from multipool.budget.use import NEVER, Use
from multipool.budget.words import words
from multipool.driver import OUTAGE, REFUSAL
from multipool.errors import without_frames
from multipool.fleet.calls import PATIENCE, Call, Calls
from multipool.fleet.lines import CONNECTING, GATE, Line, borrowed, in_turn, opened
from multipool.fleet.options import FleetOptions
from multipool.fleet.reporting import program

if TYPE_CHECKING:
    from multipool.inner import Inner

#: What stands before a stake's mark, in its connections' application name.
MARK: Final = "mb:"

#: Seconds that a claim waits for a connection to come back; and between two connections of its
#: own, where it has others: while it has less than its due, and else.
TURN: Final = 0.1
SOON: Final = 0.25
SELDOM: Final = 2.0
#: More than any server has.
MANY: Final = 1_000_000
#: Seconds until what was closed is told of; for which a full server is not asked for more than it
#: gave; and until one that refused a connection to ask by is asked for another.
RELEASE: Final = 0.05
FULL_FOR: Final = 5.0
REFUSED_FOR: Final = 60.0
#: Without a store each pool confines itself to this part of the budget.
STATIC_PART: Final = 10
#: Seconds that a goodbye may take: somebody waits for it.
MOMENT: Final = 0.3


class Stake:
    """One pool's part of the budget. Its calls are made one at a time."""

    def __init__(self) -> None:
        self._calls = Calls()
        self.id = str(uuid4())
        self.mark = f"{MARK}{self.id[:8]}"
        self.grant = Grant()
        self.troubles = Troubles()
        #: How often something has happened that the store may not know.
        self._doubts = 0
        #: How many it had use for, and what it told last of that.
        self._use = Use()
        self._told_want = 0
        #: How often somebody found no connection, and how often others knocked.
        self._wakes = 0
        self._knocks = 0
        #: Those on this machine, and whether they know that it has less than its due.
        self._neighbours = Neighbours()
        self._has_knocked = False
        #: What a full server gave, and until when it is not asked for more.
        self._ceiling = NEVER
        self._ceiling_until = 0.0
        self._was_full = False
        #: Whether it is known that the pool could use more.
        self._asking = False
        #: Monotonic times: of the last call, and before which none goes by a line of its own.
        self._called_at = 0.0
        self._next_own = 0.0

    # -- what the pool asks, wherever it may be --------------------------------------------

    def may_open(self, held: int) -> bool:
        """Return whether a pool that has *held* connections may open one within its limit."""
        return self.grant.may_open(held)

    @property
    def holds(self) -> bool:
        """Whether what is granted is still granted."""
        return self.grant.holds

    @property
    def cap(self) -> int:
        """How many connections the pool may open by now."""
        return self.grant.cap

    def doubt(self) -> None:
        """Open nothing until the store has been asked again: connections have ended by themselves.

        The server may have crashed, and the store be empty; or it may be busy yet with ending a
        connection that nobody has closed. Called by finalisers too: takes no lock.
        """
        if not self.grant.alone:
            self._doubts += 1
            self.grant.lapse()
            self._hurry(monotonic() + RELEASE)

    def _hurry(self, due: float) -> None:
        if self._calls.due is not None:
            self._calls.due = min(self._calls.due, due)

    def is_short(self, inner: Inner) -> bool:
        """Return whether it is for want of a share that the pool opens no more."""
        held = len(inner.places.slots)
        return held < inner.config.limit and (held >= self.cap or not self.may_open(held))

    def feel(self, inner: Inner) -> None:
        """Note how many connections the pool has use for just now."""
        self._use.note(self._used(inner))
        if self._told_want > self.cap and self._neighbours.look():
            self._hurry(self._neighbours.mourned_until)
            inner.upkeep.soon(inner)

    def _heard(self) -> None:
        """Ask soon: one of the neighbours needs something, or has given something back."""
        self._neighbours.answer()
        self._knocks += 1
        if not self.troubles.failed and (self.grant.share or self._asking):
            self._hurry(self._called_at + breath(self.grant.state))

    def wake(self, inner: Inner) -> None:
        """See to it that more is asked for: somebody finds none idle, and uses up what there is."""
        held = len(inner.places.slots)
        if self.grant.alone or held >= inner.config.limit:
            return
        if held + 1 < self.cap and self.may_open(held):
            return
        self._wakes += 1
        self._use.miss(self._used(inner) + 1)
        if self._asking:  # often enough
            return
        self._asking = True
        self._hurry(self._called_at + BREATH)
        if inner.inline:
            self.tick(inner)
        else:
            inner.upkeep.soon(inner)

    def full(self, inner: Inner) -> None:
        """Ask for no more than there is: the server has no more connections to give."""
        self.troubles.words = "the server has no more connections to give"
        has = len(inner.places.slots) - 1  # but for the one that could not be opened
        if has <= 0:
            self.doubt()
            return
        self._was_full = True
        self._ceiling, self._ceiling_until = has, monotonic() + FULL_FOR
        self.grant.narrow(has)
        inner.confine(self.cap)

    @property
    def whole(self) -> int | None:
        """The whole budget, those for asking too, as the store told it last."""
        answer = self.grant.answer
        return None if answer is None else answer.budget

    # -- now and then ----------------------------------------------------------------------

    def tick(self, inner: Inner) -> float:
        """Claim if it is time; return the monotonic time at which to be asked again."""
        now = monotonic()
        calls, held = self._calls, len(inner.places.slots)
        if calls.lock.locked():  # somebody is at it; this very thread, if a signal has come
            return now + RELEASE
        with calls.lock:
            busy_until = calls.look(now)
            if busy_until is not None:
                return busy_until
            if not self._is_needed(inner):
                self._asking = False
                if not self._is_needed(inner):  # nor since then
                    return NEVER  # what it had runs out by itself
            due = calls.due or now
            if self.grant.share > max(self.cap, held):  # which others wait for
                due = min(due, self._called_at + RELEASE)
            due = min(due, self._falls_at(inner))
            if now < due:
                return due
            self._called_at = now
            call = calls.begin(now, TURN + GATE + CONNECTING + PATIENCE)
        inner.upkeep.background(inner, self._call, inner, call)
        with calls.lock:
            return calls.due or now if calls.cut_at is None else calls.cut_at

    def _falls_at(self, inner: Inner) -> float:
        """Return when it is to be told that the pool has use for fewer, since others wait."""
        used, state = self._used(inner), self.grant.state
        if self.troubles.failed or self._told_want <= used or state is None or not state.lacking:
            return NEVER
        return max(self._use.is_down_at(used), self._called_at + breath(state))

    def _is_needed(self, inner: Inner) -> bool:
        return bool(
            inner.places.slots or inner.waiting or self._use.most() or inner.config.min_size > 0
        )

    def leave(self, inner: Inner) -> None:
        """Say that the pool is about to close. Takes `MOMENT` at most."""
        calls = self._calls
        self.move_out(inner)
        if is_own(calls.lock):
            return
        with calls.lock:
            if calls.under_way() or not self.grant.share:
                return
            _call = calls.begin(monotonic(), MOMENT)  # which lasts until we are through
        inner.upkeep.soon(inner)  # who will cut it
        try:
            with suppress(Exception), borrowed([inner]) as line:
                if line is not None:
                    calls.line = line
                    self._give_all(inner, line)
        finally:
            calls.end(NEVER)

    def move_out(self, inner: Inner) -> None:
        """Let the neighbours knock no more: here is nobody, or this is a forked child."""
        inner.upkeep.deafen(self._neighbours.fd)
        self._neighbours.move_out()

    # -- one call --------------------------------------------------------------------------

    def _call(self, inner: Inner, call: Call) -> None:
        wait = AGAIN
        talk = None
        try:
            with self._line(inner) as line:
                if line is not None:
                    try:
                        talk = self._converse(inner, line)
                    except Exception as error:
                        wait = self._refused(inner, line, error)
                        raise  # the line is not what it was
            if talk is not None:
                wait = self._conclude(inner, talk)
        except Exception as error:
            if self._calls.line is None:
                wait = self._unreachable(inner, error)
        finally:
            self._called_at = monotonic()
            self._calls.end(wait * random.uniform(0.9, 1.0))
            if talk is not None:
                self._look_again(talk)
            inner.upkeep.soon(inner)

    def _converse(self, inner: Inner, line: Line) -> Talk:
        """Claim until there is nothing more to say."""
        talk = Talk(self._wakes, self._knocks, self.grant.share)
        self._calls.speak(line)
        self._meet(inner)
        self._neighbours.look()
        for _ in range(ROUNDS):
            talk.knocks = self._knocks
            if not self._claim(inner, line):
                break
        return talk

    def _conclude(self, inner: Inner, talk: Talk) -> float:
        """Return the seconds until the next time, after *talk*."""
        grant = self.grant
        self.troubles.over()
        mine = self._mine(inner, len(inner.places.slots))
        self._asking = talk.asking = mine.want > mine.cap
        state = grant.state
        lacks = talk.asking and decide(state, mine).ask > mine.cap
        gave = grant.share < talk.had and state is not None and state.lacking
        if gave or (lacks and not self._has_knocked):
            self._neighbours.knock()
        self._has_knocked = lacks
        if self._was_missed(talk):
            return BREATH  # something has happened meanwhile
        if talk.knocks != self._knocks:
            return breath(state)
        return min(pause(state, mine), max(self._neighbours.mourned_until - monotonic(), 0.0))

    def _was_missed(self, talk: Talk) -> bool:
        """Return whether *talk* knew nothing of what is wanted, or of what is doubted, by now."""
        return not self.grant.holds or talk.missed(self._wakes)

    def _look_again(self, talk: Talk) -> None:
        """Bring the next call forward for what has come since `_conclude` looked.

        It has done so itself, but then the call ended, and a later time took the place of that.
        """
        if self._was_missed(talk) or talk.knocks != self._knocks:
            self._hurry(self._called_at + breath(self.grant.state))
        self._hurry(self._neighbours.mourned_until)

    def _meet(self, inner: Inner) -> None:
        """Have a door, if somebody is there to hear of a knock."""
        neighbours = self._neighbours
        if neighbours.fd >= 0 or inner.inline:
            return
        neighbours.move_in((inner.target.address, self._app(inner)), self.mark.partition(":")[2])
        if neighbours.fd >= 0:
            inner.upkeep.hear(neighbours.fd, self._heard)

    def _app(self, inner: Inner) -> str:
        options = FleetOptions.read(inner.config.fleet)
        return options.app or inner.target.application or program()

    def _claim(self, inner: Inner, line: Line) -> bool:
        """Put a claim to the store; return whether the answer asks for another."""
        places, grant = inner.places, self.grant
        if not grant.holds:
            grant.narrow(len(places.slots))
            inner.confine(grant.cap)
        mine = self._mine(inner, len(places.slots))
        claim = decide(grant.state, mine)
        if grant.cap and not claim.cap:
            self._give_all(inner, line)
            return False
        if claim.cap < grant.cap:
            grant.narrow(claim.cap)
            inner.confine(claim.cap)
        # From here on nothing is opened beyond it; what was opened until then counts.
        held = len(places.slots)
        sent, doubts = monotonic(), self._doubts
        dead = self._neighbours.dead()
        told = self._told(inner, claim, held)
        told["gone"] = [f"{MARK}{name.partition('-')[2]}" for name in dead]
        answer = store.claim(line, told)
        self._was_full = False
        self._told_want = claim.want
        self._use.told(sent)
        self._neighbours.bury(dead)
        lasts = told["lease"] if doubts == self._doubts else 0.0
        self.troubles.over()
        grant.heed(answer, new_turn=claim.end_turn)
        inner.confine(grant.cap)  # before anything may be opened again
        grant.renew(sent + lasts)
        places.match()
        return self._has_more_to_say(inner)

    def _give_all(self, inner: Inner, line: Line) -> None:
        """Open nothing more, and let the store see for itself when what is open has gone.

        Afterwards there may be no connection to tell it by.
        """
        self.grant.give_up()
        self._told_want = 0
        inner.confine(0)
        held = len(inner.places.slots)
        store.leave(line, self._told(inner, Claim(0, 0, held, 0), held))

    def _has_more_to_say(self, inner: Inner) -> bool:
        held = len(inner.places.slots)
        grant = self.grant
        claim = decide(grant.state, self._mine(inner, held))
        more = claim.ask > grant.cap and grant.state is not None and grant.state.free > 0
        return more or claim.cap < grant.cap or max(grant.cap, held) < grant.share

    def _mine(self, inner: Inner, held: int) -> Mine:
        now = monotonic()
        most = inner.config.limit
        if now < self._ceiling_until:
            most = min(most, self._ceiling)
        want = int(min(max(self._use.most(), self._used(inner)), most, MANY))
        return Mine(
            cap=self.cap,
            held=held,
            want=want,
            wish=int(min(max(inner.config.min_size, headroom(want)), most)),
            had_for=self.grant.had_for(now),
        )

    def _used(self, inner: Inner) -> int:
        """Return how many connections are lent, being opened, or waited for."""
        slots = list(inner.places.slots)
        lent = sum(bool(slot.leased) or not slot.born for slot in slots)
        return lent + len(inner.places.queue())

    def _told(self, inner: Inner, claim: Claim, held: int) -> dict[str, Any]:
        budget = inner.config.budget
        return {
            "id": self.id,
            "app": self._app(inner),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pool": inner.name,
            "mark": self.mark,
            "budget": None if budget == AUTO else budget,
            "want": claim.want,
            "held": held,
            "cap": claim.cap,
            "keep": max(claim.keep, held),
            "ask": claim.ask,
            "end_turn": claim.end_turn,
            "full": self._was_full,
            "lease": lease(self.grant.state),
        }

    # -- by which way ----------------------------------------------------------------------

    @contextmanager
    def _line(self, inner: Inner) -> Iterator[Line | None]:
        """Yield a line to the store; None if there is none to be had just now."""
        with borrowed([inner]) as line:
            if line is not None:
                yield line
                return
        now = monotonic()
        if any(slot.leased for slot in list(inner.places.slots)):
            # Inline this may be the very thread that is about to return one.
            with in_turn(inner, now + (0 if inner.inline else TURN)) as line:
                if line is not None:
                    yield line
                    return
            if now < self._next_own:
                yield None
                return
        claim = decide(self.grant.state, self._mine(inner, len(inner.places.slots)))
        self._next_own = now + (SOON if claim.ask > self.cap else SELDOM)
        with opened(inner) as line:
            yield line

    # -- when it goes wrong ----------------------------------------------------------------

    def _unreachable(self, inner: Inner, error: Exception) -> float:
        """Judge why no connection could be opened to ask by."""
        self.troubles.is_unreachable(error)
        known = isinstance(error, inner.driver.Error)
        kind = inner.driver.failure(error) if known else REFUSAL
        if inner.places.slots:
            self._next_own = monotonic() + (SELDOM if kind != REFUSAL else REFUSED_FOR)
        elif kind == REFUSAL or (kind == OUTAGE and not inner.connected):
            # Nothing says that it will ever be otherwise: as where a pool connects by itself.
            inner.totals.add("connect_errors")
            error = without_frames(error)
            inner.filling.failed(error)
            inner.places.refuse(error)
        return 2 * AGAIN

    def _refused(self, inner: Inner, line: Line, error: Exception) -> float:
        """Heed the store's no; return the seconds until the next time."""
        grant = self.grant
        verdict = self.troubles.judge(
            inner.driver.sqlstate(error),
            was_cut=self._calls.was_cut(),
            holds=grant.holds,
            alone=grant.alone,
        )
        if verdict.alone and not grant.alone:
            self._do_without(inner, line)
        return verdict.pause

    def _do_without(self, inner: Inner, line: Line) -> None:
        """Confine the pool to a part of the budget that needs nobody's word."""
        budget = inner.config.budget
        if budget == AUTO:
            budget = STATIC_PART
            with suppress(inner.driver.Error):  # it was refused already
                budget = int(line.ask(store.SERVER) or STATIC_PART)
        cap = max(1, min(int(budget or 1) // STATIC_PART, int(min(inner.config.limit, MANY))))
        self.grant.stand_alone(cap)
        self.troubles.log_once(inner.name, cap)
        inner.confine(cap)

    # -- in words --------------------------------------------------------------------------

    def words(self) -> str:
        """Return what the pool has of the budget, and who has the rest."""
        trouble = self.troubles.words
        if self.grant.alone:
            return f"this pool confines itself to {self.cap} of the budget: {trouble}"
        return words(self.grant.answer, self.cap, trouble)
