"""The file of passwords that libpq reads."""

from __future__ import annotations

import os
import re
import stat
import warnings
from pathlib import Path
from typing import Final

from multipool.services import lines_of

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
    for line in lines_of(Path(path)):
        fields = [re.sub(r"\\(.)", r"\1", match[1]) for match in _FIELD.finditer(line)]
        raw = [match[1] for match in _FIELD.finditer(line)][:4]
        if len(fields) >= 5 and all(
            written == "*" or meant == want
            for written, meant, want in zip(raw, fields, wanted, strict=False)
        ):
            return fields[4]
    return None
