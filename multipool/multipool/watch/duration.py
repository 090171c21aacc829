"""Durations in words, as reports have them."""

from __future__ import annotations


def short(seconds: float) -> str:
    """Return a duration in three figures."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
