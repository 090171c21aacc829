"""What an adapter to PostgreSQL adds to its user's parameters: a timeout, and keepalive.

A peer that went silent, its power gone or a firewall's memory lost, shows in no socket's
state: without keepalive the next query would wait for it for minutes, or for good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from multipool.errors import PoolConfigError

# Seconds and milliseconds, as libpq wants them. A silent peer is found out after a minute.
_KEEPALIVE: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# libpq's timeout is in whole seconds, and 1 means 2 to it.
_SHORTEST: Final = 2


def with_keepalive(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return *params* with TCP keepalive, unless they speak of it themselves.

    Of a service file nobody knows here what it says, so then nothing is added.
    """
    if "service" in params or params.keys() & {"keepalives", *_KEEPALIVE}:
        return dict(params)
    return {**_KEEPALIVE, **params}


def with_timeout(params: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
    """Return *params* with a ``connect_timeout`` of at most *timeout* seconds, rounded up.

    Of several hosts each gets its share, since libpq counts anew for each. A ``connect_timeout``
    in *params* counts if it is shorter; 0 or less means none there.
    """
    if timeout is None:
        return dict(params)
    hosts = str(params.get("hostaddr") or params.get("host") or "").count(",") + 1
    limit = max(math.ceil(timeout / hosts), _SHORTEST)
    wanted = check_timeout(params)
    return {**params, "connect_timeout": min(limit, wanted) if wanted > 0 else limit}


def check_timeout(params: Mapping[str, Any]) -> int:
    """Return the ``connect_timeout`` in *params*, 0 for none.

    Raises `PoolConfigError` if it is no whole number.
    """
    try:
        return int(params.get("connect_timeout") or 0)
    except (TypeError, ValueError):
        raise PoolConfigError(
            "bad connection parameter connect_timeout: must be a whole number of seconds"
        ) from None
