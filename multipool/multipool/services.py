"""libpq's service files: connection parameters under one name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multipool.errors import PoolConfigError


def named(params: Mapping[str, Any]) -> dict[str, str]:
    """Return what the service says that *params*, or else the environment, name; {} if none.

    Looks into the file they name (default ``~/.pg_service.conf``), then into ``pg_service.conf``
    in the directory ``PGSYSCONFDIR``; where libpq was told to look when it was built is not known
    here. Raises `PoolConfigError` if there is no such service, or its lines are no parameters.
    """
    name = params.get("service") or os.environ.get("PGSERVICE")
    if not name:
        return {}
    path = params.get("servicefile") or os.environ.get("PGSERVICEFILE")
    system = os.environ.get("PGSYSCONFDIR")
    places = [Path(str(path or "~/.pg_service.conf")).expanduser()]
    if system:
        places.append(Path(system, "pg_service.conf"))
    for place in places:
        found = _section(str(name), place)
        if found is not None:
            return found
    raise PoolConfigError(f"service {str(name)!r} is in none of: {', '.join(map(str, places))}")


def _section(name: str, path: Path) -> dict[str, str] | None:
    found: dict[str, str] | None = None
    inside = False
    for number, line in enumerate(lines_of(path), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            if inside:
                break
            inside = text == f"[{name}]"
            if inside:
                found = {}
        elif inside and found is not None:
            keyword, equals, value = text.partition("=")
            if not equals:
                raise PoolConfigError(
                    f"service file {str(path)!r}, line {number}: expected name=value"
                )
            if keyword.strip() in ("service", "servicefile"):
                raise PoolConfigError(
                    f"service file {str(path)!r}, line {number}: services do not nest"
                )
            found.setdefault(keyword.strip(), value.strip())
    return found


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a file of libpq's, none if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except OSError:
        return
