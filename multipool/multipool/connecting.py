"""What an adapter to PostgreSQL adds to its user's parameters: a timeout, and keepalive.

A peer that went silent, its power gone or a firewall's memory lost, shows in no socket's
state: without keepalive the next query would wait for it for minutes, or for good.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Final

from multipool import services
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
    """Return *params* with TCP keepalive, unless they or their service speak of it themselves.

    Of a service that is not found here, as libpq may find it, nobody knows what it says: then
    nothing is added.
    """
    service = _service(params)
    if service is None or {*service, *params} & {"keepalives", *_KEEPALIVE}:
        return dict(params)
    return {**_KEEPALIVE, **params}


def with_timeout(params: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
    """Return *params* with a ``connect_timeout`` of at most *timeout* seconds, rounded up.

    Of several hosts each gets its share, since libpq counts anew for each. A ``connect_timeout``
    in *params*, or else in their service, or else in PGCONNECT_TIMEOUT, counts if it is shorter; 0
    or less means none there.
    """
    if timeout is None:
        return dict(params)
    given = {**(_service(params) or {}), **{k: v for k, v in params.items() if v is not None}}
    hosts = _said(given, "hostaddr", "PGHOSTADDR") or _said(given, "host", "PGHOST")
    limit = max(math.ceil(timeout / (hosts.count(",") + 1)), _SHORTEST)
    own = _said(given, "connect_timeout", "PGCONNECT_TIMEOUT")
    wanted = check_timeout({"connect_timeout": own})
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


def _service(params: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what their service says, {} where they have none, None where it is not known here."""
    try:
        return services.named(params)
    except PoolConfigError:
        return None  # libpq may know better, or else says what is wrong


def _said(params: Mapping[str, Any], name: str, variable: str) -> str:
    """Return what is said of *name* in *params*, or else in the environment, where libpq looks."""
    value = params.get(name)
    return str(os.environ.get(variable, "") if value is None else value)
