"""The parameters psycopg2 takes: libpq's, and its own ``cursor_factory``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from multipool import conninfo
from multipool.connecting import check_timeout, with_keepalive, with_timeout

OWN: Final = frozenset(["cursor_factory"])


def check(params: Mapping[str, Any]) -> None:
    """Refuse what `connect` would not understand; raises `PoolConfigError`."""
    conninfo.check(params, OWN)
    check_timeout(params)


def complete(params: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
    """Return the arguments of the driver's ``connect``, which may take *timeout* seconds."""
    return with_timeout(with_keepalive(params), timeout)
