"""Who should have how many of the budget's connections: arithmetic, without clock or store.

Every process decides for itself, with `decide`, from what the store told it last; the store
decides nothing. It keeps a row for each process and answers one question, `Claim`, atomically::

    rows:   process -> want, cap, share, turn, lease
    claim(process, Claim):
        forget the rows whose lease is over, or whose process one on its machine knows to be dead
            (what their server sessions still hold stays charged)
        others = sum of the other rows' share
        kept   = max(1, min(hosts, budget / 10)), for those who have none and ask
        due    = granted(budget - kept, others, min(Claim.keep, share), Claim.ask)
        share  = max(due, what the process holds)
        turn   = now, if the row is new, Claim.want was 0 before, or Claim.end_turn
        cap    = min(due, max(Claim.cap, Claim.ask)), which the process knows too
        store want, cap, share, turn; the lease ends `lease` seconds from now
        return share and a State: the other rows by (want, cap), how many of each kind stand
            before this process in the order of their turns; free = budget - kept - all shares

So the invariant needs no good will and no agreement: ``share`` is all that a process may hold,
it grows only out of ``budget - kept - others``, and a process lowers it only to what it still holds
(``keep >= held``). What it holds without being due, since it gave that back and closes it yet, is
charged and gives no right: the server may have ended it already, and another been given the place.
That the processes decide by pictures which are a moment old costs fairness for a moment, never a
connection too many.

A process claims every `pulse` seconds, more often while it lacks something (`pause`), sooner where
there is a reason (`breath`): a neighbour has knocked, or it has use for fewer and others lack some;
and as often as `decide` has something new to say to the answer, `ROUNDS` times at most. Between the
sending of a claim and its answer it opens nothing beyond ``Claim.cap``, after the answer nothing
beyond the row's cap; and nothing at all once its lease, counted from the sending, is over.
``Mine.had_for`` counts from when its cap rose from 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Seconds between two claims of a process that lacks nothing, of one that has less than its due,
#: and of one that has its due but could use more.
PULSE: Final = 0.5
EAGER: Final = 0.25
PATIENT: Final = 0.5
#: Seconds at least between two claims that there is a reason for: more where all of them together
#: would claim too often (`breath`).
BREATH: Final = 0.05
#: Seconds more for each who stands before a process that has nothing.
QUEUE: Final = 0.1
#: Claims of all processes together in a second at most: above it each claims less often.
WRITES: Final = 50
#: A share must be claimed again within so many pulses.
LEASE: Final = 6
#: Where there are more processes than connections they take turns of so many seconds.
SLICE: Final = 2.0
#: How often a process answers to an answer at once.
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """Other processes that want the same and have the same."""

    want: int
    cap: int
    members: int
    #: How many of them stand before us in line: the order in which turns are taken.
    ahead: int


@dataclass(frozen=True, slots=True)
class State:
    """What the store told with its last answer."""

    #: The connections to be shared, without those that are kept for asking.
    budget: int
    #: What nobody has.
    free: int
    #: What others hold beyond their caps: it will be free as soon as they have closed it.
    coming: int
    groups: tuple[Group, ...]

    @property
    def members(self) -> int:
        """All processes, this one too."""
        return sum(group.members for group in self.groups) + 1

    @property
    def lacking(self) -> bool:
        """Whether another process could use more than it has."""
        return any(group.want > group.cap for group in self.groups)


@dataclass(frozen=True, slots=True)
class Mine:
    """What a process knows of itself."""

    #: How many it may open by now, and how many it has, those being opened or closed too.
    cap: int
    held: int
    #: How many it has use for: those in use and those waited for, at most what its pools allow.
    want: int
    #: How many it likes to have if nobody else needs them: its ``min_size``, and some `headroom`.
    wish: int = 0
    #: Seconds since its turn began, for which it has had anything at all.
    had_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a process tells the store."""

    want: int
    #: What it confines itself to from now on.
    cap: int
    #: What it holds, or may hold, whatever the answer: never less than it has open.
    keep: int
    #: What it would like to have: more than ``cap``, or the same.
    ask: int
    #: Whether it has had its turn, and goes to the end of the line.
    end_turn: bool = False


def granted(budget: int, others: int, keep: int, ask: int) -> int:
    """Return what is due to a process that has claimed, where *others* is the sum of their shares.

    *keep*: what it had already, and keeps.
    """
    return max(keep, min(ask, budget - others))


def level(budget: int, wants: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return up to what everybody can have what they want, and the rest of *budget* then.

    *wants* are pairs: so many want so much. Those who want more than the level share the rest,
    which is less than one for each of them.
    """
    filled = 0
    left = budget
    pairs = sorted((want, members) for want, members in wants if want > 0)
    thirsty = sum(members for _, members in pairs)
    for want, members in pairs:
        step = min(want - filled, left // thirsty)
        filled += step
        left -= step * thirsty
        if filled < want:
            break
        thirsty -= members
    return filled, left


def headroom(want: int) -> int:
    """Return how many a process that has use for *want* likes to have.

    So it need not ask for each connection more, at the price of all who wait meanwhile.
    """
    return 2 * want + 1 if want else 0


def decide(state: State | None, mine: Mine) -> Claim:
    """Return what to claim next; without a *state*, only what introduces the process."""
    if state is None:
        return _claim(mine, mine.cap, mine.cap)
    filled, rest = level(
        state.budget, [(mine.want, 1), *((one.want, one.members) for one in state.groups)]
    )
    if _turn_over(state, mine, filled):
        return _claim(mine, 0, 0, end_turn=True)
    extra = mine.want > filled and _has_turn(state, mine, filled, rest)
    target = min(mine.want, filled) + extra
    lack, surplus = _others(state, filled, rest - extra)
    cap = mine.cap
    if cap <= target:
        # What is left over when all have what they want may be kept open.
        spare = max(state.free - lack - (target - cap), 0)
        return _claim(mine, cap, max(target, min(mine.wish, cap + spare)))
    # Where something is idle, whoever comes next should find one free.
    missing = max(lack, 1) - state.free - state.coming
    if missing > 0:
        ours = cap - target
        cap -= min(ours, -(-missing * ours // (ours + surplus)))
    # A right that is not used is of more use to others.
    cap = min(cap, max(target, mine.held, mine.wish))
    return _claim(mine, cap, cap)


def _has_turn(state: State, mine: Mine, filled: int, rest: int) -> bool:
    """Return whether the process may have one more than the level."""
    above = [one for one in state.groups if one.want > filled]
    if sum(one.ahead for one in above) < rest:
        return True
    if filled:
        return False
    if mine.cap:
        return mine.had_for < SLICE
    # Whoever is first in line need not be the next to ask; that nothing lies idle is worth that
    # one from the front half goes before.
    waiting = [one for one in above if not one.cap]
    ahead, members = sum(one.ahead for one in waiting), sum(one.members for one in waiting)
    return state.free > 0 and 2 * ahead <= members


def _turn_over(state: State, mine: Mine, filled: int) -> bool:
    """Return whether it is another's turn: only where there is less than one for each."""
    return (
        filled == 0
        and mine.cap > 0
        and mine.had_for >= SLICE
        and state.free + state.coming <= 0
        and any(one.want and not one.cap for one in state.groups)
    )


def _others(state: State, filled: int, rest: int) -> tuple[int, int]:
    """Return what others lack, and what they have beyond their due."""
    lack = surplus = near = 0
    for one in state.groups:
        due = min(one.want, filled)
        lack += one.members * max(due - one.cap, 0)
        # Which of them have a part of the rest is not told.
        most = due + (one.want > filled and rest > 0)
        surplus += one.members * max(one.cap - most, 0)
        if one.want > filled and one.cap <= filled:
            near += one.members
    over = sum(one.members for one in state.groups if one.want > filled and one.cap > filled)
    return lack + min(near, max(rest - over, 0)), surplus


def _claim(mine: Mine, cap: int, ask: int, *, end_turn: bool = False) -> Claim:
    return Claim(mine.want, cap, max(cap, mine.held), max(ask, cap), end_turn)


def pulse(state: State | None) -> float:
    """Return the seconds between two claims of a process that lacks nothing."""
    return PULSE if state is None else max(PULSE, state.members / WRITES)


def breath(state: State | None) -> float:
    """Return the seconds at least between two claims that news are the reason for."""
    return max(BREATH, 0.0 if state is None else state.members / WRITES)


def lease(state: State | None) -> float:
    """Return the seconds for which a claim is to hold."""
    return LEASE * pulse(state)


def pause(state: State | None, mine: Mine) -> float:
    """Return the seconds until the next claim."""
    slow = pulse(state)
    if state is None or mine.want <= mine.cap:
        return slow
    claim = decide(state, mine)
    if claim.ask > claim.cap:
        return min(slow * EAGER / PULSE, breath(state))
    if mine.held:
        return slow * PATIENT / PULSE
    # Each of its claims costs a connection: the farther back in line, the fewer.
    return max(
        slow * PATIENT / PULSE, QUEUE * sum(one.ahead for one in state.groups if not one.cap)
    )
