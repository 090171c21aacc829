"""The server's connections: who has them, and how many are left."""

from __future__ import annotations

from typing import Final

from multipool.dashboard.drawing import bar
from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.table import more, table
from multipool.dashboard.words import of, percent
from multipool.fleet.snapshot import Budget, Share

#: As many parts as the style sheet has colours for; the rest is one.
_COLOURS: Final = 5
_SHOWN: Final = 8


def draw(budget: Budget) -> Html:
    """Return the bar and the table."""
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
