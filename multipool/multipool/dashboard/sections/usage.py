"""What Django's views, tasks and commands hold connections for, and how much of that they use."""

from __future__ import annotations

from typing import Final

from multipool.dashboard.drawing import bar
from multipool.dashboard.html import Child, Html, join, tag
from multipool.dashboard.table import more, table
from multipool.dashboard.words import duration, percent
from multipool.fleet.snapshot import Snapshot, Usage

_SHOWN: Final = 5
_FOLDED: Final = 40

_COLUMNS: Final = (
    ("View, task or command", "text"),
    ("Held", "n"),
    ("Used of that", "n"),
    ("Idle", "n"),
    ("Times", "n"),
    ("Until the end of", ""),
)


def draw(snapshot: Snapshot) -> Html:
    """Return the table, those first that leave connections idle longest."""
    rows = list(map(_row, snapshot.usage[: _SHOWN + _FOLDED]))
    left = len(snapshot.usage) - len(rows)
    return join(
        tag("h2", "Held and used ", tag("small", "by time that connections lay idle")),
        table("usage-table", "What connections are held for", _COLUMNS, rows[:_SHOWN]),
        len(rows) > _SHOWN
        and more(
            "usage-more",
            f"{len(rows) - _SHOWN:,} more",
            table("usage-rest", "Further things held for", _COLUMNS, rows[_SHOWN:]),
        ),
        left > 0 and tag("p", f"{left:,} more are in the JSON.", class_="muted small"),
    )


def _row(usage: Usage) -> tuple[Child, ...]:
    share = min(usage.used / usage.held, 1.0) if usage.held else 1.0
    said = percent(share)
    helps = usage.hint and ', hold="transaction" would help'
    return (
        join(
            tag("code", usage.title),
            tag("span", usage.app, f", {usage.kind}", helps, class_="sub"),
        ),
        duration(usage.held),
        join(said, bar([("used", share)], 1, f"{said} used")),
        duration(max(usage.held - usage.used, 0.0)),
        f"{usage.times:,}",
        usage.hold,
    )
