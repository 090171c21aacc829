"""What `Pool.queries` tells: the statements that took the most time, and where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self, overload

from multipool.watch.duration import short
from multipool.watch.queries.histogram import Histogram

By = Literal["total", "calls", "mean", "p95"]

#: What a report can be sorted by, the greatest first.
ORDERS: Final[dict[str, Any]] = {
    "total": lambda query: query.seconds,
    "calls": lambda query: query.calls,
    "mean": lambda query: query.mean,
    "p95": lambda query: query.p95,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One statement as executed from one line of code. All times are in seconds."""

    #: Its text without literals, its lists collapsed; empty for the sum of `QueryReport.others`.
    text: str
    #: ``file.py:line`` of the application; None where there was no line of Python.
    call_site: str | None
    #: Executions, those among them that failed included.
    calls: int
    errors: int
    #: Their durations together.
    seconds: float
    #: Rows returned or changed, as far as the driver knew.
    rows: int
    histogram: Histogram = field(repr=False)
    #: The part of the time of all statements that it took, from 0 to 1.
    share: float = 0.0

    @property
    def mean(self) -> float:
        """The average duration."""
        return self.seconds / self.calls if self.calls else 0.0

    @property
    def p50(self) -> float:
        """The median duration, to 4.5 %, as are the other quantiles."""
        return self.histogram.quantile(0.5) or 0.0

    @property
    def p95(self) -> float:
        """The duration that 95 of 100 did not exceed."""
        return self.histogram.quantile(0.95) or 0.0

    @property
    def p99(self) -> float:
        """The duration that 99 of 100 did not exceed."""
        return self.histogram.quantile(0.99) or 0.0

    def __add__(self, other: Query) -> Query:
        return replace(
            self,
            calls=self.calls + other.calls,
            errors=self.errors + other.errors,
            seconds=self.seconds + other.seconds,
            rows=self.rows + other.rows,
            histogram=self.histogram + other.histogram,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, and what `from_dict` needs, as plain values for JSON."""
        return {
            "text": self.text,
            "call_site": self.call_site,
            "calls": self.calls,
            "errors": self.errors,
            "seconds": self.seconds,
            "share": self.share,
            "mean": self.mean,
            "p50": self.p50,
            "p95": self.p95,
            "p99": self.p99,
            "rows": self.rows,
            # Keys of JSON are strings.
            "histogram": {str(index): n for index, n in self.histogram.counts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the record that `as_dict` gave *values* of."""
        counts = {int(index): n for index, n in values["histogram"].items()}
        names = ("text", "call_site", "calls", "errors", "seconds", "rows", "share")
        return cls(**{name: values[name] for name in names}, histogram=Histogram(counts))

    def __str__(self) -> str:
        failed = f", {self.errors} failed" if self.errors else ""
        return (
            f"{self.share:6.1%} {self.seconds:.3f} s, {self.calls} calls{failed},"
            f" mean {short(self.mean)}, p95 {short(self.p95)}, {self.rows} rows,"
            f" {self.call_site or 'no line of Python'}: {self.text}"
        )


NOTHING: Final = Query("", None, 0, 0, 0.0, 0, Histogram({}))


class QueryReport(Sequence[Query]):
    """`Query` records, sorted; reports of several pools and processes add up by ``+``.

    Args:
        queries: one record for each statement and call site; those that are equal in both
            are made one.
        others: the sum of what is not told apart.
        by: what they are sorted by: one of `ORDERS`.
        limit: how many are told apart; the rest is added to *others*. None: all.

    Raises ValueError for a *by* or *limit* that is none.
    """

    def __init__(
        self,
        queries: Iterable[Query],
        others: Query = NOTHING,
        *,
        by: By = "total",
        limit: int | None = None,
    ) -> None:
        if by not in ORDERS:
            raise ValueError(f"by={by!r}: must be one of {', '.join(map(repr, ORDERS))}")
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise ValueError(f"limit={limit!r}: must be None or an integer of at least 0")
        merged: dict[tuple[str, str | None], Query] = {}
        for query in queries:
            key = query.text, query.call_site
            merged[key] = merged[key] + query if key in merged else query
        ranked = sorted(merged.values(), key=ORDERS[by], reverse=True)
        for query in ranked[limit:] if limit is not None else ():
            others = others + query
        #: The order.
        self.by: By = by
        self._limit = limit
        #: What all statements took together, in seconds, and how many executions there were.
        self.seconds = sum(query.seconds for query in ranked[:limit]) + others.seconds
        self.calls = sum(query.calls for query in ranked[:limit]) + others.calls
        self._queries = [self._with_share(query) for query in ranked[:limit]]
        #: The sum of what is not told apart.
        self.others = self._with_share(others)

    def _with_share(self, query: Query) -> Query:
        return replace(query, share=query.seconds / self.seconds if self.seconds else 0.0)

    def sorted(self, by: By = "total", limit: int | None = None) -> QueryReport:
        """Return the same in another order, with only the first *limit* told apart."""
        return QueryReport(self._queries, self.others, by=by, limit=limit)

    def __add__(self, other: QueryReport) -> QueryReport:
        return QueryReport(
            [*self._queries, *other._queries], self.others + other.others, by=self.by
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            "by": self.by,
            "seconds": self.seconds,
            "calls": self.calls,
            "queries": [query.as_dict() for query in self._queries],
            "others": self.others.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the report that `as_dict` gave *values* of."""
        return cls(
            map(Query.from_dict, values["queries"]),
            Query.from_dict(values["others"]),
            by=values["by"],
        )

    @overload
    def __getitem__(self, index: int) -> Query: ...
    @overload
    def __getitem__(self, index: slice) -> list[Query]: ...
    def __getitem__(self, index: int | slice) -> Query | list[Query]:
        return self._queries[index]

    def __len__(self) -> int:
        return len(self._queries)

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries)

    def __str__(self) -> str:
        """Return a table for a person."""
        head = ("share", "total", "calls", "mean", "p50", "p95", "p99", "rows", "errors")
        rows = [head, *map(figures, self._queries)]
        if self.others.calls:
            rows.append(figures(self.others))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        texts = ["call site: statement"]
        texts += [f"{query.call_site or '-'}: {query.text}" for query in self._queries]
        texts += ["all others"] * bool(self.others.calls)
        return "\n".join(f"{line}  {text}" for line, text in zip(lines, texts, strict=True))


def figures(query: Query) -> tuple[str, ...]:
    """Return share, total, calls, mean, p50, p95, p99, rows and errors, for a table."""
    times = (query.seconds, query.mean, query.p50, query.p95, query.p99)
    total, *rest = map(short, times)
    counts = (str(query.rows), str(query.errors))
    return (f"{query.share:.1%}", total, str(query.calls), *rest, *counts)
