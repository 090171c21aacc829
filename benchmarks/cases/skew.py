"""A ``time.time`` that can be put forward and back, as an administrator or NTP does.

Imported before any pool, since some keep the function from the moment of their import.
"""

from __future__ import annotations

import time

_time = time.time
_skew = 0.0


def _skewed() -> float:
    return _time() + _skew


def skew(seconds: float) -> None:
    """Let the wall clock be off by *seconds* from now on."""
    global _skew
    _skew = seconds


time.time = _skewed
