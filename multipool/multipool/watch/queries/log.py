"""What counts the executions of one pool, as an observer of its statements."""

from __future__ import annotations

from multipool.watch.callsite import call_site
from multipool.watch.queries.fingerprints import Fingerprints
from multipool.watch.queries.histogram import Histogram
from multipool.watch.queries.report import Query, QueryReport
from multipool.watch.queries.tally import Entry, Tally
from multipool.watch.stacks import Place

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

    def __init__(self) -> None:
        self.tally = Tally()

    def executed(
        self, sql: str, place: Place, seconds: float, rows: int, error: BaseException | None
    ) -> None:
        """Count one execution."""
        by = hash(sql)
        text = _fingerprints.young.get(by) or _fingerprints.of(sql)  # in line, as a rule
        self.tally.count(text, place, seconds, rows, error is not None, by)

    def report(self) -> QueryReport:
        """Return what was counted so far."""
        tally = self.tally
        return QueryReport(map(_record, tuple(tally.entries.values())), _record(tally.others))

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child."""
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
