"""For what connections are held, and how much of that time they are used.

Whoever knows what its borrowers are about, as the Django backends know their views, begins a
`Span` with each lease and counts it at its end. What a connection is *used* for is executing
statements, and transactions, whatever they wait for: nobody else could have it meanwhile. The
rest of the time that it is held is what others could have had.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args, overload

from multipool.driver import ON_SERVER
from multipool.watch.duration import short

if TYPE_CHECKING:
    from multipool.slot import Slot
    from multipool.watch.sight import Sight

Kind = Literal["view", "task", "command", "code"]
KINDS: Final = get_args(Kind)
#: What a connection is borrowed for: the kind, the name, and the route of a view.
Errand = tuple[Kind, str, str]
#: Until when it is held: the option ``hold`` of the Django backends.
HoldUntil = Literal["request", "transaction"]
HOLDS: Final = get_args(HoldUntil)

#: How many errands a pool tells apart. A program has fewer views and commands.
MOST: Final = 500
#: The sum of those that came later.
OTHERS: Final[Errand] = ("code", "all others", "")

_HEADINGS: Final[dict[Kind, str]] = {
    "view": "views",
    "task": "tasks",
    "command": "management commands",
    "code": "other code",
}
_TIMES: Final[dict[Kind, str]] = {
    "view": "requests",
    "task": "runs",
    "command": "runs",
    "code": "leases",
}

# Worth a hint is what has been idle for so many seconds altogether, for so many each time, and
# for such a share of the time that it was held.
_IDLE: Final = 1.0
_IDLE_EACH: Final = 0.005
_IDLE_SHARE: Final = 0.5


class Span:
    """A lease that lasts for a whole errand, and how much of that it was used.

    One after the other of the same connection.
    """

    __slots__ = (
        *("_begun", "_between", "_log", "_sight", "_since", "_spent", "_spent_then"),
        *("errand", "lease"),
    )

    def __init__(self, sight: Sight | None, log: UsageLog) -> None:
        self._sight = sight
        self._log = log
        #: The ``serial`` of the lease.
        self.lease = -1
        # What had been spent when it began; since when there is a transaction, what had been
        # spent by then, and what passed between the statements of those that are over.
        self._spent = 0.0
        self._since: float | None = None
        self._spent_then = 0.0
        self._between = 0.0
        self._begun = 0.0

    def start(self, lease: int, errand: Errand) -> None:
        """Begin with the lease of this number, for what is known to be its *errand* by now."""
        self.errand = errand
        self.lease = lease
        if self._sight is not None:
            self._spent = self._sight.spent
        self._since = None
        self._between = 0.0
        self._begun = perf_counter()

    def finish(self, slot: Slot, errand: Errand | None) -> None:
        """Count the lease, which is about to end; *errand* is what it turned out to be for."""
        sight = self._sight
        if (
            sight is None
            or sight.statement is not None
            or self._since is not None
            or self._between
            or slot.touched & ON_SERVER
        ):
            held, used = self.so_far(slot)
        else:  # as a rule, and the same in line
            held = perf_counter() - self._begun
            used = sight.spent - self._spent
            if used > held:  # by threads that share it
                used = held
        fresh = self._log.fresh
        fresh.append((errand or self.errand, held, used))
        if len(fresh) > UsageLog.FRESH:
            self._log.count_fresh()

    def begin(self) -> None:
        """Note that a transaction begins, unless there is one."""
        if self._since is None and self._sight is not None:
            self._spent_then = self._sight.spent
            self._since = perf_counter()

    def end(self) -> None:
        """Note that it ends, if there is one."""
        if self._since is not None:
            self._between = self._in_transactions(perf_counter())
            self._since = None

    def _in_transactions(self, now: float) -> float:
        since, sight = self._since, self._sight
        if since is None or sight is None:
            return self._between
        return self._between + (now - since) - (sight.spent - self._spent_then)

    def so_far(self, slot: Slot) -> tuple[float, float]:
        """Return for how many seconds the connection has been held by now, and used."""
        now, sight = perf_counter(), self._sight
        held = now - self._begun
        # What the session was told would have had to stay.
        if sight is None or slot.touched & ON_SERVER:
            return held, held
        used = sight.spent - self._spent
        if self._since is not None:
            used += self._in_transactions(now)
        else:
            used += self._between
            if sight.statement is not None:
                used += now - max(sight.quiet_since, self._begun)
        return held, used if used < held else held


@dataclass(frozen=True, slots=True)
class Usage:
    """For how long connections were held for one thing, and for how much of that used."""

    kind: Kind
    #: That of the view, task or command, or of a function.
    name: str
    #: The route of a view, with names where parameters are.
    route: str
    #: Until when a connection is held.
    hold: HoldUntil
    #: How many requests, runs or calls there were.
    times: int
    #: Seconds, all times together: between the first query and the end, and of that how long a
    #: connection was held, and how long it was executing something or in a transaction.
    lasted: float
    held: float
    used: float

    @property
    def hint(self) -> str | None:
        """A sentence if ``hold="transaction"`` would help, else None."""
        idle = self.held - self.used
        little = idle < _IDLE or idle < _IDLE_EACH * self.times or idle < _IDLE_SHARE * self.held
        if self.hold == "transaction" or little:
            return None
        times = _TIMES[self.kind] if self.times > 1 else _TIMES[self.kind][:-1]
        return (
            f'hold="transaction" would help {self.kind} {self.title}: a connection was'
            f" held for {short(self.held)} and used for {short(self.used)} of that,"
            f" in {self.times} {times}"
        )

    @property
    def title(self) -> str:
        """The name, and the route if there is one."""
        return f"{self.name} ({self.route})" if self.route else self.name

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON; the hint among them."""
        return {**asdict(self), "hint": self.hint}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the record that `as_dict` gave *values* of."""
        return cls(**{name: value for name, value in values.items() if name != "hint"})

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            times=self.times + other.times,
            lasted=self.lasted + other.lasted,
            held=self.held + other.held,
            used=self.used + other.used,
        )


class UsageReport(Sequence[Usage]):
    """`Usage` records, those first whose connections were idle longest, by kind.

    Reports of several pools and processes add up by ``+``.
    """

    def __init__(self, usages: Iterable[Usage]) -> None:
        merged: dict[tuple[str, ...], Usage] = {}
        for usage in usages:
            key = usage.kind, usage.name, usage.route, usage.hold
            merged[key] = merged[key] + usage if key in merged else usage
        kinds = list(_HEADINGS)
        self._usages = sorted(
            merged.values(), key=lambda each: (kinds.index(each.kind), each.used - each.held)
        )

    @property
    def hints(self) -> list[str]:
        """A sentence for each that ``hold="transaction"`` would help, the worst first."""
        found = sorted(self._usages, key=lambda each: each.used - each.held)
        return [usage.hint for usage in found if usage.hint is not None]

    def __add__(self, other: UsageReport) -> UsageReport:
        return UsageReport([*self._usages, *other._usages])

    def as_dict(self) -> list[dict[str, Any]]:
        """Return it as plain values, for JSON."""
        return [usage.as_dict() for usage in self._usages]

    @classmethod
    def from_dict(cls, values: Iterable[Mapping[str, Any]]) -> Self:
        """Return the report that `as_dict` gave *values* of."""
        return cls(map(Usage.from_dict, values))

    @overload
    def __getitem__(self, index: int) -> Usage: ...
    @overload
    def __getitem__(self, index: slice) -> list[Usage]: ...
    def __getitem__(self, index: int | slice) -> Usage | list[Usage]:
        return self._usages[index]

    def __len__(self) -> int:
        return len(self._usages)

    def __iter__(self) -> Iterator[Usage]:
        return iter(self._usages)

    def __str__(self) -> str:
        """Return a table for a person, and the hints below it."""
        rows: list[tuple[str, ...]] = []
        for kind, heading in _HEADINGS.items():
            found = [_row(usage) for usage in self._usages if usage.kind == kind]
            if found:
                rows += [(_TIMES[kind], *_COLUMNS, heading), *found]
        *columns, texts = zip(*rows, strict=True) if rows else ((),)
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in zip(*columns, strict=True)]
        table = [f"{line}  {text}" for line, text in zip(lines, texts, strict=True)]
        return "\n".join([*table, *self.hints])


_COLUMNS: Final = ("lasted", "held", "used", "hold")


def _row(usage: Usage) -> tuple[str, ...]:
    seconds = map(short, (usage.lasted, usage.held, usage.used))
    return (str(usage.times), *seconds, usage.hold, usage.title)


class UsageLog:
    """What was counted of one pool. Any thread may count."""

    #: How many leases are put down before they are counted.
    FRESH: Final = 32

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        #: What is over and not counted yet: its errand, and seconds held and used. As in
        #: `QueryLog.fresh` that is cheaper than to count each. Whoever makes it longer than
        #: `FRESH` calls `count_fresh`.
        self.fresh: deque[tuple[Errand, float, float]] = deque()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child too."""
        self.fresh.clear()
        #: By errand and hold: times and the sums of seconds.
        self.sums: dict[tuple[Errand, HoldUntil], list[float]] = {}

    def count(
        self, errand: Errand, hold: HoldUntil, lasted: float, held: float, used: float
    ) -> None:
        """Count one request, run or call."""
        key = errand, hold
        sums = self.sums.get(key)
        if sums is None:
            if len(self.sums) >= self._most:
                key = OTHERS, hold
            sums = self.sums.setdefault(key, [0, 0.0, 0.0, 0.0])
        # From here on there is no call, so no other thread comes in between: no lock.
        sums[0] += 1
        sums[1] += lasted
        sums[2] += held
        sums[3] += used

    def count_fresh(self) -> None:
        """Count what is `fresh`. Threads that do so at once share the work."""
        fresh = self.fresh
        while fresh:
            try:
                errand, held, used = fresh.popleft()
            except IndexError:  # another thread was quicker
                return
            self.count(errand, "request", held, held, used)

    def report(self, slots: Iterable[Slot]) -> UsageReport:
        """Return what was counted so far, and what the leases of *slots* have come to by now."""
        self.count_fresh()
        found = [
            _record(errand, hold, int(sums[0]), *sums[1:])
            for (errand, hold), sums in list(self.sums.items())
        ]
        for slot in slots:
            span = slot.span
            if slot.leased and span is not None and span.lease == slot.serial:
                held, used = span.so_far(slot)
                found.append(_record(span.errand, "request", 1, held, held, used))
        return UsageReport(found)


def _record(
    errand: Errand, hold: HoldUntil, times: int, lasted: float, held: float, used: float
) -> Usage:
    kind, name, route = errand
    return Usage(kind, name, route, hold, times, lasted, held, used)
