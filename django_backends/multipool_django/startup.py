"""The time zone, sent with the startup packet, so that a new connection need not wait for a SET.

Django compares it with what the server then reports, and sends the SET where it differs, as
behind a pooler that drops the options. One that refuses them is asked without, from then on.
A role is always set by SET ROLE: the server reports none, so nobody would know of one that was
dropped. An isolation level goes with each BEGIN.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from multipool_django import passwords

# PgBouncer before 1.20, and what is built upon it; RDS Proxy.
_REFUSAL: Final = re.compile(r"unsupported startup parameter|command-line options")

#: The hosts and ports of poolers that refused.
_refusing: Final[set[tuple[object, object]]] = set()


def conninfo(params: Mapping[str, Any], time_zone: str | None) -> Callable[[], Mapping[str, Any]]:
    """Return what a `Pool` asks for each new connection: *params*, the time zone with them.

    The password is the one that holds then, see `passwords.resolved`.
    """
    return partial(_now, params, time_zone)


def refused(params: Mapping[str, Any], error: Exception) -> bool:
    """Return whether a pooler refused to connect because of ``options``, and remember it."""
    if _REFUSAL.search(str(error)) is None:
        return False
    _refusing.add(_address(params))
    return True


def _now(params: Mapping[str, Any], time_zone: str | None) -> Mapping[str, Any]:
    found = passwords.resolved(params)
    # A service may have options of its own, which ours would hide.
    service = params.get("service") or os.environ.get("PGSERVICE")
    if time_zone and not service and _address(params) not in _refusing:
        given = params.get("options") or os.environ.get("PGOPTIONS", "")
        escaped = re.sub(r"([\\\s])", r"\\\1", time_zone)
        found["options"] = f"{given} -c TimeZone={escaped}".lstrip()
    return found


def _address(params: Mapping[str, Any]) -> tuple[object, object]:
    return params.get("host"), params.get("port")
