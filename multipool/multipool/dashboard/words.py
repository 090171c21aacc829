"""Numbers as a person says them: "4 min 12 s", "3 of 24", "1,204"."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float | None) -> str:
    """Return *seconds* in two units at most: ``8.2 s``, ``4 min 12 s``, ``3 h``."""
    if seconds is None:
        return "?"
    if seconds < 0.1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for name, size, smaller, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 pool``, ``1,204 pools``; *many* is ``one + "s"`` unless said."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def of(number: int, total: int | None) -> str:
    """Return ``27 of 30``; without a total the number alone."""
    return f"{number:,}" if total is None else f"{number:,} of {total:,}"


def milliseconds(seconds: float | None) -> str:
    """Return *seconds* as ``12.3 ms``, from ten seconds on as `duration`."""
    if seconds is None:
        return "?"
    if seconds >= 10:
        return duration(seconds)
    figure = seconds * 1000
    return f"{figure:,.0f} ms" if figure >= 10 else f"{figure:.2g} ms"


def percent(part: float) -> str:
    """Return *part* of 1 as ``13 %``; what would be nothing by rounding is ``< 1 %``."""
    return "< 1 %" if 0 < part < 0.01 else f"{part * 100:.0f} %"


def listing(words: Sequence[str], shown: int = 3) -> str:
    """Return ``a, b and c``; beyond *shown* ``a, b, c and 4 more``."""
    if len(words) > shown:
        words = [*words[:shown], f"{len(words) - shown:,} more"]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
