"""One process with one pool that has a share of the budget.

It decides as `multipool.budget.stake` does, by the same `decide`; the pool is a number of
connections, a line of those who wait, and the time that everything takes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from multipool.budget.grant import FRESH
from multipool.budget.sharing import (
    BREATH,
    ROUNDS,
    Claim,
    Mine,
    State,
    breath,
    decide,
    headroom,
    lease,
    pause,
)
from multipool.budget.stake import RELEASE, SELDOM, SOON, TURN
from multipool.budget.troubles import AGAIN
from multipool.fleet.calls import PATIENCE
from multipool.fleet.lines import GATE
from multipool.testing.shares.world import Course

if TYPE_CHECKING:
    from multipool.testing.shares.fleet import Fleet

#: Seconds between two looks of somebody who waits for something in a course.
_LOOK: Final = 0.02
_FAR: Final = float("inf")


class Process:
    """From its start to its end."""

    def __init__(self, fleet: Fleet, number: int, host: str, max_size: int) -> None:
        self.fleet = fleet
        self.world, self.store = fleet.world, fleet.store
        self.number = number
        self.host = host
        self.max_size = max_size
        self.alive = True
        #: The pool: connections there are, those being opened or closed too; idle; in use; and
        #: since when those wait who wait.
        self.held = self.idle = self.used = self._opening = 0
        #: Of those being opened, those of which the server does not know yet.
        self._knocking = 0
        self.waiting: deque[float] = deque()
        #: What was granted.
        self.cap = self.share = 0
        self.state: State | None = None
        self._lease_until = self._fresh_until = self._had_since = 0.0
        #: The calls.
        self._peak = 0
        self._borrowed = 0
        self._calling = self._asking = False
        #: How often neighbours knocked, and whether they know that it has less than its due.
        self._knocks = 0
        self._has_knocked = self._was_heard = False
        self._due = 0.0
        self._ticks_at = _FAR
        self._called_at = -_FAR
        self._next_own = 0.0
        #: Whether a call waits for a connection to come back, and has been given one.
        self._in_turn = False
        self._given = False
        #: Which of the server's lives its connections are of.
        self._life = self.store.crashes
        #: What came of it.
        self.served = 0
        self.longest_wait = 0.0

    # -- the pool ----------------------------------------------------------------------------

    @property
    def allowed(self) -> int:
        """How many sessions it has on the server, or may begin just now."""
        there = self.store.sessions[self.number] + self._knocking
        return max(there, self.cap) if self.alive and self._holds() else there

    def want(self) -> None:
        """Have one more who wants a connection."""
        self.waiting.append(self.world.now)
        if not self.idle:
            self._wake()
        self._match()

    def _holds(self) -> bool:
        return self.world.now < self._lease_until

    def _may_open(self) -> bool:
        if self.held >= min(self.cap, self.max_size) or not self._holds():
            return False
        return self.held > 0 or self.world.now < self._fresh_until

    def _match(self) -> None:
        if self._in_turn and self.idle:
            self.idle -= 1
            self._in_turn, self._given = False, True
        while self.waiting and self.idle:
            self.idle -= 1
            self._serve()
        while len(self.waiting) > self._opening and self._may_open():
            self._opening += 1
            self._knocking += 1
            self.fleet.holders.add(self)
            self.held += 1
            self.world.follow(self._open(self._life))

    def _serve(self) -> None:
        waited = self.world.now - self.waiting.popleft()
        self.longest_wait = max(self.longest_wait, waited)
        self.fleet.waited(self, waited)
        self.used += 1
        self.served += 1
        self.world.after(self.fleet.job(), self._done, self._life)

    def _done(self, life: int) -> None:
        if self.alive and life == self._life:
            self.used -= 1
            self.idle += 1
            self._trim()
            self._match()

    def _open(self, life: int) -> Course:
        yield self.fleet.latency()
        if not self.alive or life != self._life:
            return
        self._knocking -= 1
        fails = self.world.now < self.store.away_until
        if not fails:
            self.store.connect(self.number)
            self.fleet.look()
        yield self.fleet.latency()
        if not self.alive or life != self._life:
            return
        self._opening -= 1
        if fails:
            self._vacate()
        elif self._holds():
            self.idle += 1
            self._trim()
        else:
            self.world.follow(self._close(life))
        self._match()

    def _trim(self) -> None:
        """Close what is idle above the cap."""
        while self.idle and self.held - self._closing > self.cap:
            self.idle -= 1
            self.world.follow(self._close(self._life))

    @property
    def _closing(self) -> int:
        return self.held - self.idle - self.used - self._opening - self._borrowed

    def _close(self, life: int) -> Course:
        yield self.fleet.latency()
        if life == self.store.crashes and self.alive:
            self.store.disconnect(self.number)
        yield self.fleet.latency()
        if self.alive and life == self._life:
            self._vacate()

    def _vacate(self) -> None:
        self.held -= 1
        self._tick()
        self._match()

    # -- what may befall it ------------------------------------------------------------------

    def lose_all(self) -> None:
        """Notice that the server has hung up, which it did a moment ago."""
        if self.alive:
            self._life = self.store.crashes
            self.held = self.idle = self.used = self._opening = self._borrowed = 0
            self._knocking = 0
            self._in_turn = self._given = False
            self._lease_until = 0.0
            self._hurry(self.world.now + RELEASE)
            self._match()

    def kill(self) -> None:
        """End it at once; the server finds out later."""
        self.alive = False
        self._knocking = 0

    # -- the calls ---------------------------------------------------------------------------

    def _used(self) -> int:
        return self.used + self._opening + max(len(self.waiting) - self._opening, 0)

    def hear(self) -> None:
        """Ask soon: somebody on the same host needs something, or has given something back."""
        self._knocks += 1
        if self.share or self._asking:
            self._hurry(self._called_at + breath(self.state))

    def _wake(self) -> None:
        if self.held >= self.max_size or (self.held + 1 < self.cap and self._may_open()):
            return
        self._peak = max(self._peak, self._used())
        if not self._asking:
            self._asking = True
            self._hurry(self._called_at + BREATH)

    def _hurry(self, due: float) -> None:
        self._due = min(self._due, due)
        self._tick()

    def _tick(self) -> None:
        now = self.world.now
        if not self.alive or self._calling:
            return
        if not (self.held or self.waiting or self._peak):
            self._asking = False
            return
        due = self._due
        if self.share > max(self.cap, self.held):
            due = min(due, self._called_at + RELEASE)
        if now < due:
            if due < self._ticks_at:
                self._ticks_at = due
                self.world.after(due - now, self._come_due)
            return
        self._called_at, self._calling = now, True
        self.world.follow(self._call())

    def _come_due(self) -> None:
        self._ticks_at = _FAR
        self._tick()

    def _call(self) -> Course:
        life = self._life
        way = yield from self._find_line()
        had, wait = self.share, AGAIN
        if way is not None and self.alive:
            answered = yield from self._converse()
            if answered:
                self._peak = 0
                mine = self._mine()
                self._asking = mine.want > mine.cap
                wait = breath(self.state) if self._was_heard else pause(self.state, mine)
                self._knock(mine, had)
            if way == "own":
                self.world.follow(self._end_asking())
            elif life == self._life and self.alive:
                self._borrowed = 0
                if answered:
                    self.idle += 1
                    self._trim()
                else:  # it was cut
                    self.world.follow(self._close(life))
        self._called_at, self._calling = self.world.now, False
        self._due = self.world.now + wait * self.world.chance.uniform(0.9, 1.0)
        if self.alive:
            self._tick()
            self._match()

    def _knock(self, mine: Mine, had: int) -> None:
        """Wake the neighbours if there is news for them."""
        lacks = self._asking and decide(self.state, mine).ask > mine.cap
        gave = self.share < had and self.state is not None and self.state.lacking
        if gave or (lacks and not self._has_knocked):
            self.fleet.knock(self)
        self._has_knocked = lacks

    def _find_line(self) -> Course:
        """Return by which way to ask: ``"pool"``, ``"own"``, or None if there is none now."""
        if self.idle and not self.waiting:
            self.idle -= 1
            self._borrowed = 1
            return "pool"
        now = self.world.now
        if self.used:
            self._in_turn, life = True, self._life
            while self._in_turn and self.alive and self.world.now < now + TURN:
                yield _LOOK
            given, self._given, self._in_turn = self._given, False, False
            if given and life == self._life:
                self._borrowed = 1
                return "pool"
            if self.world.now < self._next_own:
                return None
        claim = decide(self.state, self._mine())
        self._next_own = self.world.now + (SOON if claim.ask > self.cap else SELDOM)
        until = self.world.now + GATE
        while self.store.asking[self.host]:
            yield _LOOK
            if not self.alive or self.world.now >= until:
                return None
        if self.world.now < self.store.away_until:
            return None
        self.store.ask(self.host)
        yield 2 * self.fleet.latency()
        if not self.alive:
            self.world.follow(self._end_asking())
            return None
        return "own"

    def _end_asking(self) -> Course:
        yield self.fleet.latency()
        self.store.asking[self.host] -= 1

    def _converse(self) -> Course:
        """Claim until there is nothing more to say; return whether all was answered."""
        self._was_heard, knocks = False, self._knocks
        for _ in range(ROUNDS):
            if not self._holds():
                self.cap = min(self.cap, self.held)
            claim = decide(self.state, self._mine())
            if self.cap and not claim.cap:
                return (yield from self._give_all())
            if claim.cap < self.cap:
                self.cap = claim.cap
                self._trim()
            sent, told, knocks = self.world.now, self._told(claim), self._knocks
            ended = claim.end_turn
            answer = yield from self._send(told)
            if answer is None or not self.alive:
                return False
            self.fleet.told_of(self.host, told["gone"])
            if (not self.cap or ended) and answer.cap:
                self._had_since = self.world.now
            self.state, self.share, self.cap = answer.state, answer.share, answer.cap
            self._lease_until = sent + told["lease"]
            self.fleet.holders.add(self)
            self._fresh_until = self.world.now + FRESH
            self.fleet.look()
            self._trim()
            self._match()
            if not self._has_more_to_say():
                break
        self._was_heard = knocks != self._knocks
        return True

    def _give_all(self) -> Course:
        self.cap = self.share = 0
        self._lease_until = 0.0
        self._trim()
        told = {**self._told(Claim(0, 0, self.held, 0)), "leave": True}
        answer = yield from self._send(told)
        return answer is not None

    def _send(self, told: dict[str, Any]) -> Course:
        """Return what the store answers; None if that is lost, or the question was."""
        life, lost = self.store.crashes, self.fleet.lost()
        yield self.fleet.latency()
        if not self.alive:
            return None
        answer = None
        away = self.world.now < self.store.away_until  # a line of before it crashed is no way to it
        if lost != "question" and life == self.store.crashes == self._life and not away:
            answer = self.store.claim(self.number, told) or told
        yield self.fleet.latency()
        if answer is None or lost is not None or life != self.store.crashes:
            yield PATIENCE
            return None
        return answer

    def _has_more_to_say(self) -> bool:
        claim = decide(self.state, self._mine())
        more = claim.ask > self.cap and self.state is not None and self.state.free > 0
        return more or claim.cap < self.cap or max(self.cap, self.held) < self.share

    def _mine(self) -> Mine:
        want = min(max(self._peak, self._used()), self.max_size)
        return Mine(
            cap=self.cap,
            held=self.held,
            want=want,
            wish=min(headroom(want), self.max_size),
            had_for=self.world.now - self._had_since if self.cap else 0.0,
        )

    def _told(self, claim: Claim) -> dict[str, Any]:
        return {
            "host": self.host,
            "want": claim.want,
            "held": self.held,
            "cap": claim.cap,
            "keep": max(claim.keep, self.held),
            "ask": claim.ask,
            "end_turn": claim.end_turn,
            "lease": lease(self.state),
            "gone": self.fleet.gone(self.host),
        }
