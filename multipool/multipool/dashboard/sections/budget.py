"""The server's connections: who has them, how many are left, and how processes share theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from multipool.dashboard.drawing import bar
from multipool.dashboard.html import Child, Html, join, tag
from multipool.dashboard.table import more, table
from multipool.dashboard.words import count, duration, of, percent
from multipool.fleet.snapshot import Budget, Share, SharedBudget, Stake

#: As many parts as the style sheet has colours for; the rest is one.
_COLOURS: Final = 5
_SHOWN: Final = 8
#: Budgets that processes share, and pools of each.
_BUDGETS: Final = 8
_STAKES: Final = 20


def draw(budget: Budget, shared: Iterable[SharedBudget] = ()) -> Html:
    """Return the bar and the table, and the same for each budget that processes share."""
    figures = f"{of(budget.used, budget.max_connections)} connections, {budget.free:,} free"
    if budget.reserved:
        figures += f", {budget.reserved:,} reserved"
    shares = budget.by_application
    parts: list[tuple[str, float]] = [
        (f"part{place}", share.connections) for place, share in enumerate(shares[:_COLOURS])
    ]
    parts.append(("idle", sum(share.connections for share in shares[_COLOURS:])))
    # What is reserved stands at the far end, behind what is free.
    counted = sum(amount for _, amount in parts)
    parts.append(("free", budget.max_connections - budget.reserved - counted))
    parts.append(("kept", budget.reserved))
    positive = [(name, max(amount, 0)) for name, amount in parts]
    return join(
        tag("h2", "Server budget ", tag("small", figures)),
        tag(
            "div", bar(positive, budget.max_connections, f"Server budget: {figures}"), class_="wide"
        ),
        _shares("budget-table", shares[:_SHOWN], budget, 0),
        len(shares) > _SHOWN
        and more(
            "budget-more",
            f"{len(shares) - _SHOWN:,} more applications",
            _shares("budget-rest", shares[_SHOWN:], budget, _SHOWN),
        ),
        _all_shared(shared),
    )


def _all_shared(shared: Iterable[SharedBudget]) -> Html:
    """Draw those whose pools lack most; list the others."""
    budgets = sorted(shared, key=lambda one: (-sum(map(_lacks, one.stakes)), one.app))
    rest = budgets[_BUDGETS:]
    return join(
        map(_shared, range(_BUDGETS), budgets),
        bool(rest)
        and more(
            "shared-rest-more",
            f"{count(len(rest), 'more application shares', 'more applications share')} a budget",
            table(
                "shared-rest",
                "Budgets of other applications",
                (("Application", ""), ("Budget", "n"), ("Given", "n"), ("Wanted", "n")),
                (
                    (
                        one.app or "(no name)",
                        "-" if one.budget is None else f"{one.budget:,}",
                        f"{one.shared:,}",
                        f"{one.wanted:,}",
                    )
                    for one in rest
                ),
            ),
        ),
    )


def _shared(place: int, shared: SharedBudget) -> Html:
    stakes = sorted(shared.stakes, key=lambda one: (-_lacks(one), -one.share))
    figures = (
        f"{of(shared.shared, shared.budget)} given to {count(len(stakes), 'pool')},"
        f" {shared.free:,} free, {shared.wanted:,} wanted"
    )
    if shared.without:
        figures += f", {shared.without:,} without a share"
    whole = shared.budget or shared.shared
    used = sum(min(stake.want, stake.share) for stake in stakes)
    idle = shared.shared - used
    parts = [("used", used), ("idle", idle), ("free", shared.free), ("kept", shared.kept)]
    title = f"Budget of {shared.app}"
    return join(
        tag("h3", f"{title} ", tag("small", figures), class_="shared"),
        tag("div", bar(parts, whole, f"{title}: {figures}"), class_="wide"),
        more(
            f"shared-{place}-more",
            f"The {min(_STAKES, len(stakes)):,} of {len(stakes):,} that lack or have the most",
            table(
                f"shared-{place}",
                f"{title}, by process and pool",
                (("Process", ""), ("Pool", ""), ("Share", "n"), ("Wanted", "n"), ("Asked", "n")),
                map(_stake, stakes[:_STAKES]),
            ),
        ),
    )


def _lacks(stake: Stake) -> int:
    return max(stake.want - stake.cap, 0)


def _stake(stake: Stake) -> tuple[Child, ...]:
    closing = stake.share - stake.cap
    state = "silent" if stake.silent else f"{closing:,} being closed" if closing else ""
    return (
        join(stake.host, tag("span", f"pid {stake.pid}", class_="sub")),
        stake.pool,
        join(f"{stake.cap:,}", state and tag("span", state, class_="sub")),
        tag("span", f"{stake.want:,}", class_="bad") if _lacks(stake) else f"{stake.want:,}",
        f"{duration(stake.age)} ago",
    )


def _shares(identity: str, shares: tuple[Share, ...], budget: Budget, first: int) -> Html:
    return table(
        identity,
        "Connections to the server, by application",
        (("Application", ""), ("Connections", "n"), ("Part of all", "n")),
        [
            (
                join(_swatch(place), share.application or "(no name)"),
                f"{share.connections:,}",
                percent(share.connections / max(budget.max_connections, 1)),
            )
            for place, share in enumerate(shares, first)
        ],
    )


def _swatch(place: int) -> Html:
    name = f"part{place}" if place < _COLOURS else "idle"
    square = tag("rect", class_=name, width=10, height=10)
    return tag("svg", square, class_="swatch", viewBox="0 0 10 10", aria_hidden="true")
