"""The small pictures: bars and sparklines, as inline SVG.

Sizes are attributes and colours are classes, since the page's Content-Security-Policy
allows no ``style``. Each picture says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from multipool.dashboard.html import Html, tag

#: Units of the coordinates, not pixels: the style sheet says how large it is on the page.
_WIDTH: Final = 100.0
_HEIGHT: Final = 20.0


def bar(parts: Sequence[tuple[str, float]], total: float, label: str) -> Html:
    """Return a bar of *total*; *parts* are pairs of a class (``used``, ``idle``) and an amount."""
    left = 0.0
    drawn = []
    whole = max(total, sum(amount for _, amount in parts), 1e-9)
    for name, amount in parts:
        width = _WIDTH * amount / whole
        if width:
            drawn.append(
                tag("rect", class_=name, x=_number(left), width=_number(width), height=_HEIGHT)
            )
        left += width
    frame = tag("rect", class_="free", width=_WIDTH, height=_HEIGHT)
    return _picture("bar", label, frame, *drawn)


def sparkline(points: Sequence[tuple[float, float]], top: float, label: str) -> Html:
    """Return a line through *points*, pairs of a time in seconds and a value.

    Values are drawn from 0 to *top* at least. Two points are the least that make a line.
    """
    if len(points) < 2:
        return tag("span", "too new", class_="muted small")
    begin = points[0][0]
    step = _WIDTH / max(points[-1][0] - begin, 1e-9)
    scale = (_HEIGHT - 2) / max(top, *(value for _, value in points), 1e-9)
    line = " ".join(
        f"{_number((when - begin) * step)},{_number(_HEIGHT - 1 - value * scale)}"
        for when, value in points
    )
    floor = _number(_HEIGHT)
    return _picture(
        "spark",
        label,
        tag("polygon", points=f"0,{floor} {line} {_number(_WIDTH)},{floor}"),
        tag("polyline", points=line),
    )


def _picture(kind: str, label: str, *shapes: Html) -> Html:
    return tag(
        "svg",
        shapes,
        class_=kind,
        viewBox=f"0 0 {_number(_WIDTH)} {_number(_HEIGHT)}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
