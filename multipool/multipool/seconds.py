"""Seconds that a call is given: what is none is refused at once, whether or not it would matter."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from multipool.errors import PoolConfigError

#: What None means where a checkout is given a timeout.
OWN_TIMEOUT: Final = "the pool's timeout"


def refuse_unless_seconds(pool: str, argument: str, value: Any, *, or_none: str = "") -> None:
    """Raise `PoolConfigError` unless *value* is a finite number; *or_none*: what None would mean.

    A negative one is what is left until a deadline that has passed, and means the same as 0.
    """
    if value is None and or_none:
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return
    none = f", or None for {or_none}" if or_none else ""
    raise PoolConfigError(
        f"pool {pool!r}: argument {argument}={value!r}: must be a finite number of seconds{none}"
    )
