"""What counts the executions of one pool, as an observer of its statements."""

from __future__ import annotations

from collections import deque
from typing import Final

from multipool.watch.callsite import call_site
from multipool.watch.queries.fingerprints import Fingerprints
from multipool.watch.queries.histogram import Histogram, bucket
from multipool.watch.queries.report import Query, QueryReport
from multipool.watch.queries.tally import Entry, Tally
from multipool.watch.stacks import Place, Stack, site_of
from multipool.watch.tracing import More

#: Shared by all pools: they execute the same program's statements. A forked child may go on with
#: what its parent has learnt.
_fingerprints = Fingerprints()


def text_of(statement: object, ended: bool) -> str | None:
    """Return the text that stands for a statement, or for what is left of one that has *ended*.

    That is the text itself, or the hash of a statement that was counted lately.
    """
    if isinstance(statement, int):
        return _fingerprints.known(statement)
    if ended and isinstance(statement, str):
        return statement
    return _fingerprints.of(statement) if isinstance(statement, (str, bytes)) else None


class QueryLog:
    """Counts in bounded memory; see `multipool.watch.tracing.Observer`."""

    #: How many executions are put down before they are counted.
    FRESH: Final = 32
    #: By the hash of a statement, the text that stands for it, of those that were seen lately.
    fingerprints: Final = _fingerprints

    def __init__(self) -> None:
        self.tally = Tally()
        #: What was executed and is not counted yet: the text that stands for it, the whole stack or
        #: the line alone, seconds, rows. Between two questions to the server the processor's caches
        #: are cold, so that to put this down and count some at a time takes a fraction of counting
        #: each. Whoever makes it longer than `FRESH` calls `count_fresh`.
        self.fresh: deque[tuple[str, Stack, float, int]] = deque()

    def executed(
        self, sql: str, place: Place, seconds: float, rows: int, error: BaseException | None
    ) -> None:
        """Count one execution."""
        text = _fingerprints.young.get(hash(sql)) or _fingerprints.of(sql)  # in line, as a rule
        self.tally.count(text, place, seconds, rows, error is not None)

    def went_on(self, text: str, place: Place, more: More) -> None:
        """Count more of an execution that was counted already."""
        self.tally.go_on(text, place, more)

    def count_fresh(self) -> None:
        """Count what is `fresh`. Threads that do so at once share the work."""
        fresh, tally = self.fresh, self.tally
        entries = tally.entries
        while fresh:
            try:
                text, stack, seconds, rows = fresh.popleft()
            except IndexError:  # another thread was quicker
                return
            code, lasti = place = site_of(stack)
            index = bucket(seconds)
            try:
                entry = entries[text, code.co_filename, code.co_firstlineno, lasti]
            except KeyError:
                tally.count(text, place, seconds, rows, False)
                continue
            # As `Tally.count` does, in line: from the look on there is no call.
            entry.calls += 1
            entry.seconds += seconds
            entry.counts[index] += 1
            if rows > 0:
                entry.rows += rows

    def seconds(self) -> float:
        """Return how long everything that was counted so far took together."""
        self.count_fresh()
        tally = self.tally
        apart = sum(entry.seconds for entry in tuple(tally.entries.values()))
        return apart + tally.others.seconds

    def report(self) -> QueryReport:
        """Return what was counted so far."""
        self.count_fresh()
        tally = self.tally
        return QueryReport(map(_record, tuple(tally.entries.values())), _record(tally.others))

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child."""
        self.fresh.clear()
        self.tally.begin_anew()


def _record(entry: Entry) -> Query:
    return Query(
        text=entry.text,
        call_site=None if entry.place is None else call_site(entry.place),
        calls=entry.calls,
        errors=entry.errors,
        seconds=entry.seconds,
        rows=entry.rows,
        histogram=Histogram.of(entry.counts),
    )
