"""Seconds that an option or a call is given: what is no such number is refused at once."""

from __future__ import annotations

from typing import Any, Final

from multipool.errors import PoolConfigError

#: Thirty years. Longer is a mistake, and more than the drivers can tell the system.
LONGEST: Final = 10**9


def is_seconds(value: Any) -> bool:
    """Return whether *value* is a number of seconds, be it a negative one."""
    # Compared and not converted, since there are integers that no float can hold.
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and -LONGEST <= value <= LONGEST


def refuse_unless_timeout(pool: str, timeout: Any) -> None:
    """Raise `PoolConfigError` unless *timeout* is one for a checkout."""
    refuse_unless_seconds(pool, "timeout", timeout, or_none="the pool's timeout")


def refuse_unless_seconds(pool: str, argument: str, value: Any, *, or_none: str = "") -> None:
    """Raise `PoolConfigError` unless *value* is a number; *or_none*: what None would mean.

    A negative one is what is left until a deadline that has passed, and means the same as 0.
    """
    if is_seconds(value) or (value is None and or_none):
        return
    none = f", or None for {or_none}" if or_none else ""
    raise PoolConfigError(
        f"pool {pool!r}: argument {argument}={value!r}:"
        f" must be a number of seconds, at most {LONGEST}{none}"
    )
