"""``manage.py multipool usage``: for what connections were held, and how much of that used.

In this very process, and in all of this user's that are heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from multipool.watch.usage import UsageReport
from multipool_django.management.elsewhere import ask, why_none

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper


def collect(connection: PooledWrapper) -> dict[str, Any]:
    """Return what the connections of the alias of *connection* were held for. Does not connect.

    ``error`` is why there is no pool, or None; ``processes`` is how many were heard,
    and ``counted`` whether the option `queries` is on here.
    """
    told, error, counted = ask(connection)
    found = sum((UsageReport.from_dict(one["usage"]) for one in told), UsageReport(()))
    return {
        "alias": connection.alias,
        "processes": len(told),
        "usage": found.as_dict(),
        "error": error,
        "counted": counted,
    }


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """Return a table for each alias of what `collect` found, and the hints below it."""
    return "\n\n".join(map(_table, found))


def _table(entry: dict[str, Any]) -> str:
    if entry["error"]:
        return f"{entry['alias']}: {entry['error']}"
    head = f"{entry['alias']}: connections held by {entry['processes']} processes, this among them"
    report = UsageReport.from_dict(entry["usage"])
    if not report:
        return f"{head}: {why_none(entry)}"
    return f"{head}\n{report}"
