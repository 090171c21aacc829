"""The files that libpq reads: passwords and services."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multipool.errors import PoolConfigError

_FIELD: Final = re.compile(r"((?:\\.|[^\\:])*)(?::|\Z)", re.DOTALL)


def default_passfile() -> str:
    """Return the path of the user's password file."""
    return str(Path("~/.pgpass").expanduser())


def password(path: str, host: str, port: int, dbname: str, user: str) -> str | None:
    """Return the password in the file at *path* for this connection, or None.

    A file that others can read is not used, and a warning says so, as libpq has it.
    """
    try:
        status = Path(path).stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(
            f"password file {path!r} is not used: others may read it; chmod 0600 it",
            stacklevel=2,
        )
        return None
    wanted = [host, str(port), dbname, user]
    for line in _lines(Path(path)):
        fields = [re.sub(r"\\(.)", r"\1", match[1]) for match in _FIELD.finditer(line)]
        raw = [match[1] for match in _FIELD.finditer(line)][:4]
        if len(fields) >= 5 and all(
            written == "*" or meant == want
            for written, meant, want in zip(raw, fields, wanted, strict=False)
        ):
            return fields[4]
    return None


def service(name: str, path: str | None) -> dict[str, str]:
    """Return the parameters of the service called *name*.

    Looks into *path* (default ``~/.pg_service.conf``), then into ``pg_service.conf`` in the
    directory ``PGSYSCONFDIR``. Raises `PoolConfigError` if there is no such service.
    """
    system = os.environ.get("PGSYSCONFDIR")
    places = [Path(path or "~/.pg_service.conf").expanduser()]
    if system:
        places.append(Path(system, "pg_service.conf"))
    for place in places:
        found = _section(name, place)
        if found is not None:
            return found
    raise PoolConfigError(f"service {name!r} is in none of: {', '.join(map(str, places))}")


def _section(name: str, path: Path) -> dict[str, str] | None:
    found: dict[str, str] | None = None
    inside = False
    for number, line in enumerate(_lines(path), start=1):
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


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except OSError:
        return
