"""How many connections a pool's users want at once: those that are lent and those waited for.

Nothing is written down when a connection is lent or returned. Upkeep looks ten times a second
while connections are being lent, at moments that have nothing to do with theirs, and what it
sees stands for the time since it looked last. So what a lease lasts on average comes out right
although hardly any is seen from its beginning to its end, and so does the rest.

Looks are summed over five minutes; of those the busiest of the last day is kept, since a pool
must do for that, not for the average of day and night.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from multipool.clock import TICK

if TYPE_CHECKING:
    from multipool.inner import Inner

#: Seconds that are summed up, and seconds for which a sum is kept.
WINDOW: Final = 300.0
KEPT: Final = 86400.0
#: Seconds that one look can stand for at most: what nobody looked at for longer is not known.
_GAP: Final = 10.0
#: Seconds below which the five minutes that go on say nothing.
_ENOUGH: Final = 60.0


@dataclass(frozen=True, slots=True)
class Peak:
    """The busiest five minutes of one pool, or what there has been of the first."""

    #: Seconds since they were over, and for how many it was looked at.
    age: float
    seconds: float
    #: Seconds that connections were lent, and waited for, summed over all of them: divided by
    #: ``seconds`` they are how many there were on average.
    busy: float
    queued: float
    #: Seconds in which somebody waited.
    short: float
    #: Of the number wanted: its variance, what it did not exceed in 99 of 100 seconds, and the
    #: most that was seen.
    variance: float
    p99: int
    most: int
    #: Checkouts that got a connection, those of them that waited and for how many seconds, and
    #: those that got none, since they gave up or were refused.
    checkouts: int
    waited: int
    wait_time: float
    refused: int

    @property
    def wanted(self) -> float:
        """How many were wanted on average."""
        return (self.busy + self.queued) / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, float]:
        """Return it as plain values for JSON, with no more digits than mean something."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self | None:
        """Return what `as_dict` gave *told* of; None if it makes no sense."""
        try:
            values = {name: float(told[name]) for name in cls.__slots__}
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        if not all(0 <= value < 1e12 for value in values.values()):
            return None
        whole = {name: int(values[name]) for name in _WHOLE}
        return cls(**{**values, **whole})  # type: ignore[arg-type]


_WHOLE: Final = ("p99", "most", "checkouts", "waited", "refused")


class Demand:
    """What was seen of one pool. Written by upkeep alone, one thread at a time."""

    def __init__(self) -> None:
        #: Seconds for which the pool was looked at, and that connections were lent, summed.
        self.observed = 0.0
        self.busy = 0.0
        #: When it was looked at last (monotonic); how many were lent and waited for then, and had
        #: been lent.
        self._last: float | None = None
        self._used = 0
        self._waiting = 0
        self._leases = 0
        #: Sums of five minutes, and when each was over: the busiest first, then the busiest
        #: of those after it, and so on.
        self._best: deque[tuple[float, Peak]] = deque()
        self._begin({})

    def _begin(self, counted: Mapping[str, Any]) -> None:
        self._sum = _Sum(counted)

    def look(self, inner: Inner, now: float, *, napped: bool = False) -> bool:
        """Note how many connections are wanted; return whether any are.

        With *napped* nobody was lent one between the last look and a moment ago.
        """
        places = inner.places
        used = sum(bool(slot.leased) for slot in list(places.slots))
        waiting = len(places.queue())
        leases, leases_before = places.leases(), self._leases
        last, self._last = self._last, now
        before, queued_before = self._used, self._waiting
        self._used, self._waiting, self._leases = used, waiting, leases
        # While the server is away all want one, which more places would not change.
        if last is None or places.outage is not None:
            return bool(used or waiting)
        elapsed = min(max(now - last, 0.0), _GAP)
        if napped:
            # There were ever fewer meanwhile, until somebody ended the nap.
            nap = max(elapsed - TICK, 0.0) / 2
            left = max(used - max(leases - leases_before, 0), 0)
            self._add(before, queued_before, nap)
            self._add(min(left, before), min(waiting, queued_before), nap)
            elapsed -= 2 * nap
        self._add(used, waiting, elapsed)
        if self._sum.seconds >= WINDOW:
            counted = _counted(inner)
            self._keep(now, self._sum.peak(counted))
            self._begin(counted)
        return bool(used or waiting)

    def peak(self, inner: Inner, now: float) -> Peak | None:
        """Return the busiest five minutes of the last day; None if nothing is known yet."""
        found = list(self._best)
        if self._sum.seconds >= _ENOUGH:
            found.append((now, self._sum.peak(_counted(inner))))
        if not found:
            return None
        over, peak = max(found, key=lambda pair: _rank(pair[1]))
        return replace(peak, age=max(now - over, 0.0))

    def _add(self, used: int, waiting: int, seconds: float) -> None:
        self.observed += seconds
        self.busy += used * seconds
        self._sum.add(used, waiting, seconds)

    def _keep(self, now: float, peak: Peak) -> None:
        best = self._best
        while best and _rank(best[-1][1]) <= _rank(peak):
            best.pop()
        best.append((now, peak))
        while now - best[0][0] > KEPT:
            best.popleft()


class _Sum:
    """What was seen in the five minutes that go on."""

    def __init__(self, counted: Mapping[str, Any]) -> None:
        #: What the pool had counted when they began.
        self._counted = counted
        self.seconds = self._busy = self._queued = self._short = 0.0
        #: For how many seconds how many were wanted.
        self._wanted: dict[int, float] = {}

    def add(self, used: int, waiting: int, seconds: float) -> None:
        self.seconds += seconds
        self._busy += used * seconds
        self._queued += waiting * seconds
        self._short += seconds * (waiting > 0)
        wanted = used + waiting
        self._wanted[wanted] = self._wanted.get(wanted, 0.0) + seconds

    def peak(self, counted: Mapping[str, Any]) -> Peak:
        new = {name: total - self._counted.get(name, 0) for name, total in counted.items()}
        # Another thread may be adding; a copy is one step.
        wanted = sorted(self._wanted.copy().items())
        seconds = sum(length for _, length in wanted)
        mean = sum(number * length for number, length in wanted) / seconds if seconds else 0.0
        squares = sum((number - mean) ** 2 * length for number, length in wanted)
        seen, p99 = 0.0, 0
        for number, length in wanted:
            if seen < 0.99 * seconds:
                p99 = number
            seen += length
        return Peak(
            age=0.0,
            seconds=seconds,
            busy=self._busy,
            queued=self._queued,
            short=self._short,
            variance=squares / seconds if seconds else 0.0,
            p99=p99,
            most=max((number for number, length in wanted if length), default=0),
            **new,
        )


def _counted(inner: Inner) -> dict[str, Any]:
    totals = inner.totals.as_dict()
    return {
        "checkouts": totals["checkouts"] + inner.places.leases(),
        "waited": totals["waited"],
        "wait_time": totals["wait_time"],
        "refused": totals["timeouts"] + totals["rejected"],
    }


def _rank(peak: Peak) -> tuple[int, float]:
    return peak.p99, peak.wanted
