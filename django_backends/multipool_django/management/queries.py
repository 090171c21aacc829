"""``manage.py multipool queries``: what was executed through each alias's pool.

By this very process, and by all of this user's that are heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from multipool.watch.queries.report import By, QueryReport
from multipool_django.management.elsewhere import ask, why_none

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper


def collect(connection: PooledWrapper, by: By = "total", limit: int = 20) -> dict[str, Any]:
    """Return the *limit* first queries of the alias of *connection*. Does not connect.

    ``error`` is why there is no pool, or None; ``processes`` is how many were heard,
    and ``counted`` whether the option `queries` is on here.
    """
    told, error, counted = ask(connection)
    found = sum((QueryReport.from_dict(one["queries"]) for one in told), QueryReport(()))
    return {
        "alias": connection.alias,
        "processes": len(told),
        "queries": found.sorted(by, limit).as_dict(),
        "error": error,
        "counted": counted,
    }


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """Return a table for each alias of what `collect` found."""
    return "\n\n".join(map(_table, found))


def _table(entry: dict[str, Any]) -> str:
    if entry["error"]:
        return f"{entry['alias']}: {entry['error']}"
    head = f"{entry['alias']}: queries of {entry['processes']} processes, this one among them"
    report = QueryReport.from_dict(entry["queries"])
    if not report:
        return f"{head}: {why_none(entry)}"
    return f"{head}\n{report}"
