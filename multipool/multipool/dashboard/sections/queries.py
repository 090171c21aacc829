"""The statements that take the most of the servers' time, without literals."""

from __future__ import annotations

from typing import Final

from multipool.dashboard.drawing import bar
from multipool.dashboard.frames import shown
from multipool.dashboard.html import Child, Html, join, tag
from multipool.dashboard.table import more, statement, table
from multipool.dashboard.words import count, milliseconds, percent
from multipool.fleet.snapshot import Query, Snapshot

_SHOWN: Final = 8
_FOLDED: Final = 40

_COLUMNS: Final = (
    ("Statement", "text"),
    ("Share of time", "n"),
    ("Calls", "n"),
    ("Mean", "n"),
    ("p50", "n"),
    ("p95", "n"),
    ("p99", "n"),
    ("Rows", "n"),
    ("Errors", "n"),
)


def draw(snapshot: Snapshot) -> Html:
    """Return the table, the most expensive first."""
    queries = snapshot.queries
    rows = list(map(_row, queries[: _SHOWN + _FOLDED]))
    left = len(queries) - len(rows)
    return join(
        tag("h2", "Queries ", tag("small", count(len(queries), "statement"), ", by time spent")),
        tag("p", "No process has told of its queries.", class_="muted") if not queries else None,
        rows and table("queries-table", "The most expensive statements", _COLUMNS, rows[:_SHOWN]),
        len(rows) > _SHOWN
        and more(
            "queries-more",
            f"{len(rows) - _SHOWN:,} more statements",
            table("queries-rest", "Further statements", _COLUMNS, rows[_SHOWN:]),
        ),
        left > 0 and tag("p", f"{left:,} cheaper ones are in the JSON.", class_="muted small"),
    )


def _row(query: Query) -> tuple[Child, ...]:
    share = percent(query.share)
    site = shown(query.site) if query.site else "line not known"
    return (
        join(statement(query.statement), tag("span", query.app, ", ", site, class_="sub")),
        join(share, bar([("used", query.share)], 1, f"{share} of the time")),
        f"{query.calls:,}",
        milliseconds(query.mean),
        milliseconds(query.p50),
        milliseconds(query.p95),
        milliseconds(query.p99),
        f"{query.rows:,}",
        tag("span", f"{query.errors:,}", class_="bad") if query.errors else "0",
    )
