"""What ``multipool top`` shows, from what the processes told of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from multipool.config import UNLIMITED
from multipool.watch.exposed import VARIABLE
from multipool.watch.queries.report import By, QueryReport, figures

Process = dict[str, Any]

NOBODY: Final = f"No process of this user answers. Start them with {VARIABLE}=1."

#: The last column of each table is the one that may be cut.
_POOLS: Final = (
    *("process", "pool", "driver", "used", "idle", "waiting", "max", "timeouts", "lost"),
    "database",
)
_HOLDERS: Final = ("process", "pool", "thread", "held", "state", "checked out", "last query", "now")
_QUERIES: Final = (
    *("share", "total", "calls", "mean", "p50", "p95", "p99", "rows", "errors"),
    "call site: statement",
)


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def sections(processes: Sequence[Process], by: By, limit: int) -> list[Section]:
    """Return the tables: pools, the *limit* longest leases, the first *limit* queries."""
    found = list(_pools(processes))
    holders = sorted(
        ((process, holder) for process, pool in found for holder in pool["holders"]),
        key=lambda pair: pair[1]["held_for"],
        reverse=True,
    )
    queries = queries_of(processes).sorted(by, limit)
    return [
        Section("pools", _POOLS, [_pool_row(*pair) for pair in found]),
        Section("held connections", _HOLDERS, [_holder_row(*pair) for pair in holders[:limit]]),
        Section(f"queries by {by}", _QUERIES, [_query_row(query) for query in queries]),
    ]


def queries_of(processes: Sequence[Process]) -> QueryReport:
    """Return the queries of all their pools together."""
    total = QueryReport(())
    for _, pool in _pools(processes):
        total = total + QueryReport.from_dict(pool["queries"])
    return total


def as_text(processes: Sequence[Process], by: By, limit: int) -> str:
    """Return the tables as plain text."""
    if not processes:
        return NOBODY
    return "\n\n".join(map(_section_text, sections(processes, by, limit)))


def as_dict(processes: Sequence[Process], by: By, limit: int) -> dict[str, Any]:
    """Return the same as plain values: what the processes told, and their queries together."""
    queries = queries_of(processes).sorted(by, limit).as_dict()
    return {"processes": list(processes), "queries": queries}


def _pools(processes: Sequence[Process]) -> Iterator[tuple[Process, dict[str, Any]]]:
    return ((process, pool) for process in processes for pool in process["pools"])


def _section_text(section: Section) -> str:
    rows = [section.head, *section.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([f"{section.title}: {len(section.rows)}", *(lines if section.rows else ())])


def _name(process: Process) -> str:
    return f"{process['program']} {process['pid']}"


def _pool_row(process: Process, pool: dict[str, Any]) -> tuple[str, ...]:
    stats = pool["stats"]
    numbers = (stats["used"], stats["idle"], stats["waiting"])
    most = UNLIMITED if stats["max_size"] is None else stats["max_size"]
    return (
        *(_name(process), stats["name"], stats["driver"]),
        *map(str, (*numbers, most, stats["timeouts"], stats["lost"])),
        pool["target"],
    )


def _holder_row(process: Process, holder: dict[str, Any]) -> tuple[str, ...]:
    idle = holder["idle_for"]
    return (
        *(_name(process), holder["pool"], holder["borrower"], f"{holder['held_for']:.1f} s"),
        holder["state"] + ("" if idle is None else f" {idle:.1f} s"),
        *(_first(holder[place]) for place in ("checked_out", "query", "doing")),
    )


def _first(lines: Sequence[str]) -> str:
    """Return the first of some lines of code, with the last folder of its file only."""
    if not lines:
        return "-"
    path, colon, rest = lines[0].rpartition(":")
    return "/".join(PurePath(path).parts[-2:]) + colon + rest


def _query_row(query: Any) -> tuple[str, ...]:
    return (*figures(query), f"{query.call_site or '-'}: {query.text}")
