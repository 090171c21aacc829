"""Counting executions by statement and call site, in bounded memory.

The heaviest are kept as the space-saving algorithm does it (Metwally, Agrawal and El Abbadi,
"Efficient computation of frequent and top-k elements in data streams", 2005), with seconds for
its weights: where there is no room, the lightest give way, and who comes then starts from their
weight, so that nothing heavy is left out for long. They give way some at a time, which spares us
an order to keep. What an entry tells is its own; of those that gave way the sum is known.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import Final

from multipool.watch.queries.histogram import BUCKETS, bucket
from multipool.watch.stacks import Place
from multipool.watch.tracing import More

#: A text, the file and first line of a code object, the place in it. Not the code itself: its
#: hash and its equality look at everything that is in it. Nor its id: what is compiled anew again
#: and again would be another each time.
Key = tuple[str, str, int, int]

#: How many statements by call site a pool counts apart, and how many it may have above that
#: until the lightest give way.
MOST: Final = 500
SURPLUS: Final = 50


class Entry:
    """What was counted of one text at one place, since it was taken in."""

    __slots__ = ("calls", "counts", "errors", "inherited", "place", "rows", "seconds", "text")

    def __init__(self, text: str, place: Place | None, inherited: float = 0.0) -> None:
        self.text = text
        self.place = place
        #: Seconds: the weight of those that gave way before.
        self.inherited = inherited
        self.calls = 0
        self.seconds = 0.0
        self.rows = 0
        self.errors = 0
        #: Executions by bucket of their duration.
        self.counts = [0] * BUCKETS

    @property
    def weight(self) -> float:
        """What decides whether it stays, in seconds."""
        return self.inherited + self.seconds

    def absorb(self, other: Entry) -> None:
        """Add what was counted for *other*."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.rows += other.rows
        self.errors += other.errors
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]


class Tally:
    """The entries of one pool. Any thread may count."""

    def __init__(self, most: int = MOST, surplus: int = SURPLUS) -> None:
        self._most, self._surplus = most, surplus
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child too: what its parent counted the parent tells."""
        self._lock = allocate_lock()
        self._floor = 0.0
        self.entries: dict[Key, Entry] = {}
        #: The sum of those that gave way.
        self.others = Entry("", None)

    def count(self, text: str, place: Place, seconds: float, rows: int, failed: bool) -> None:
        """Count one execution; *rows* of less than 0 are not known."""
        code, lasti = place
        key = text, code.co_filename, code.co_firstlineno, lasti
        index = bucket(seconds)
        while True:
            if key not in self.entries:
                self._take_in(key, place)
            # From here on there is no call, so no other thread comes in between: no lock. What
            # gives way is out of the entries before its sums are read for the last time.
            try:
                entry = self.entries[key]
                break
            except KeyError:
                continue
        entry.calls += 1
        entry.seconds += seconds
        entry.counts[index] += 1
        if rows > 0:
            entry.rows += rows
        if failed:
            entry.errors += 1

    def go_on(self, text: str, place: Place, more: More) -> None:
        """Count more of an execution that was counted."""
        code, lasti = place
        before, seconds, rows, error = more
        old, new = bucket(before), bucket(before + seconds)
        # If it gave way meanwhile, it was added to the others. No lock, as above.
        key = text, code.co_filename, code.co_firstlineno, lasti
        entry = self.entries.get(key, self.others)
        entry.seconds += seconds
        entry.rows += rows
        if error is not None:
            entry.errors += 1
        if entry.counts[old]:  # not if it gave way, and came back
            entry.counts[old] -= 1
            entry.counts[new] += 1

    def _take_in(self, key: Key, place: Place) -> None:
        entry = self.entries.setdefault(key, Entry(key[0], place, self._floor))
        # The lock is not waited for: a finaliser may execute something while its own thread is
        # in here. Who has it makes room for all.
        if len(self.entries) > self._most + self._surplus and self._lock.acquire(blocking=False):
            try:
                self._make_room(entry)
            finally:
                self._lock.release()

    def _make_room(self, newest: Entry) -> None:
        by_weight = sorted(self.entries.items(), key=lambda item: item[1].weight)
        lightest = [
            item for item in by_weight[: len(by_weight) - self._most] if item[1] is not newest
        ]
        for key, _ in lightest:
            del self.entries[key]
        for _, entry in lightest:
            self.others.absorb(entry)
            self._floor = max(self._floor, entry.weight)
