"""The parameters psycopg2 takes: libpq's, and its own ``cursor_factory``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from multipool import PoolConfigError, conninfo

OWN: Final = frozenset(["cursor_factory"])

# libpq's timeout is in whole seconds, and 1 means 2 to it.
_SHORTEST: Final = 2


def check(params: Mapping[str, Any]) -> None:
    """Refuse what `connect` would not understand; raises `PoolConfigError`."""
    conninfo.check(params, OWN)
    _wanted(params)


def with_timeout(params: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
    """Return *params* with a ``connect_timeout`` of at most *timeout* seconds, rounded up.

    A ``connect_timeout`` in *params* counts if it is shorter; 0 or less means none there.
    """
    if timeout is None:
        return dict(params)
    limit = max(math.ceil(timeout), _SHORTEST)
    wanted = _wanted(params)
    return {**params, "connect_timeout": min(limit, wanted) if wanted > 0 else limit}


def _wanted(params: Mapping[str, Any]) -> int:
    try:
        return int(params.get("connect_timeout") or 0)
    except (TypeError, ValueError):
        raise PoolConfigError(
            "bad connection parameter connect_timeout: must be a whole number of seconds"
        ) from None
