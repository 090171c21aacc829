"""What ``multipool top`` shows of this user's processes, from what they told of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from multipool.config import UNLIMITED
from multipool.top.sections import Overview, Section
from multipool.watch.asking import did_not_answer
from multipool.watch.exposed import VARIABLE
from multipool.watch.queries.report import By, QueryReport, figures

Process = dict[str, Any]

NOBODY: Final = f"No process of this user answers. Start them with {VARIABLE}=1."

_POOLS: Final = (
    *("process", "pool", "driver", "used", "idle", "waiting", "max", "budget", "timeouts"),
    "lost",
    "database",
)
_HOLDERS: Final = ("process", "pool", "thread", "held", "state", "checked out", "last query", "now")
_QUERIES: Final = (
    *("share", "total", "calls", "mean", "p50", "p95", "p99", "rows", "errors"),
    "call site: statement",
)


def overview(processes: Sequence[Process], silent: int, by: By, limit: int) -> Overview:
    """Return the tables: pools, the *limit* longest leases, the first *limit* queries.

    Above them stands how many were *silent*, if any.
    """
    lines = [did_not_answer(silent)] if silent else []
    if not processes:
        return Overview(lines or [NOBODY], [])
    found = list(_pools(processes))
    holders = sorted(
        ((process, holder) for process, pool in found for holder in pool["holders"]),
        key=lambda pair: pair[1]["held_for"],
        reverse=True,
    )
    queries = queries_of(processes).sorted(by, limit)
    held = [_holder_row(*pair) for pair in holders[:limit]]
    sections = [
        Section("pools", _POOLS, [_pool_row(*pair) for pair in found]),
        Section("held connections", _HOLDERS, held, len(holders)),
        Section(f"queries by {by}", _QUERIES, [_query_row(query) for query in queries]),
    ]
    return Overview(lines, sections)


def queries_of(processes: Sequence[Process]) -> QueryReport:
    """Return the queries of all their pools together."""
    total = QueryReport(())
    for _, pool in _pools(processes):
        total = total + QueryReport.from_dict(pool["queries"])
    return total


def as_dict(processes: Sequence[Process], silent: int, by: By, limit: int) -> dict[str, Any]:
    """Return the same as plain values: what the processes told, and their queries together."""
    queries = queries_of(processes).sorted(by, limit).as_dict()
    return {"processes": list(processes), "silent": silent, "queries": queries}


def _pools(processes: Sequence[Process]) -> Iterator[tuple[Process, dict[str, Any]]]:
    return ((process, pool) for process in processes for pool in process["pools"])


def _name(process: Process) -> str:
    return f"{process['program']} {process['pid']}"


def _pool_row(process: Process, pool: dict[str, Any]) -> tuple[str, ...]:
    stats = pool["stats"]
    numbers = (stats["used"], stats["idle"], stats["waiting"])
    most = bound(stats["max_size"])
    return (
        *(_name(process), stats["name"], stats["driver"]),
        *map(str, (*numbers, most)),
        of_budget(stats["share"], stats["budget"]),
        *map(str, (stats["timeouts"], stats["lost"])),
        pool["target"],
    )


def _holder_row(process: Process, holder: dict[str, Any]) -> tuple[str, ...]:
    idle = holder["idle_for"]
    return (
        *(_name(process), holder["pool"], holder["borrower"], f"{holder['held_for']:.1f} s"),
        holder["state"] + ("" if idle is None else f" {idle:.1f} s"),
        *(first(holder[place]) for place in ("checked_out", "query", "doing")),
    )


def bound(most: int | None) -> str:
    """Return how many connections a pool may have, as the option is written."""
    return UNLIMITED if most is None else str(most)


def of_budget(share: int | None, budget: int | None) -> str:
    """Return what a pool has of the budget, as ``3 of 12``."""
    if share is None:
        return "-"
    return f"{share} of {'?' if budget is None else budget}"


def first(lines: Sequence[str]) -> str:
    """Return the first of some lines of code, with the last folder of its file only."""
    if not lines:
        return "-"
    path, colon, rest = lines[0].rpartition(":")
    return "/".join(PurePath(path).parts[-2:]) + colon + rest


def _query_row(query: Any) -> tuple[str, ...]:
    return (*figures(query), f"{query.call_site or '-'}: {query.text}")
