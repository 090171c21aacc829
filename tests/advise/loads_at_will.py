"""Pools of which was recorded what a test wants."""

from __future__ import annotations

from typing import Any

from multipool.advise.loads import Load
from multipool.watch.demand import Peak


def peak(**figures: Any) -> Peak:
    """Return five minutes with 40 checkouts a second, each held for 50 ms: 2 in use on average."""
    seconds = figures.pop("seconds", 300.0)
    rate, held = figures.pop("rate", 40.0), figures.pop("held", 0.05)
    checkouts = round(rate * seconds)
    whole = {
        "age": 0.0,
        "seconds": seconds,
        "busy": checkouts * held,
        "queued": 0.0,
        "short": 0.0,
        "variance": rate * held,  # as chance would have it
        "p99": 6,
        "most": 9,
        "checkouts": checkouts,
        "waited": 0,
        "wait_time": 0.0,
        "refused": 0,
    }
    return Peak(**{**whole, **figures})


def load(number: int = 0, max_size: int | None = 10, **figures: Any) -> Load:
    """Return a pool that has been as busy as in that `peak` for two days."""
    counted = figures.pop("counters", {})
    observed = figures.pop("observed", 200_000.0)
    found = peak(**figures)
    days = observed / found.seconds
    counters = {
        "checkouts": found.checkouts * days,
        "busy_time": found.busy * days,
        "waited": found.waited,
        "wait_time": found.wait_time,
        "timeouts": found.refused,
        **counted,
    }
    return Load("shop", "default", f"web-{number}", max_size, counters, observed, found)
