"""The folder in which the processes of a user leave the sockets that they answer on."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Names another folder, for both who answers and who asks.
VARIABLE: Final = "MULTIPOOL_RUNTIME_DIR"

SUFFIX: Final = ".sock"


def folders() -> list[Path]:
    """Return where sockets may lie, the best place first.

    The user's runtime folder is not in every process's environment, so the temporary folder
    is looked at too.
    """
    own = os.environ.get(VARIABLE)
    if own:
        return [Path(own)]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    found = [Path(runtime) / "multipool"] if runtime and Path(runtime).is_dir() else []
    return [*found, Path(tempfile.gettempdir()) / f"multipool-{os.geteuid()}"]


def make() -> Path:
    """Return a folder that only this user can enter, made if need be. Raises OSError."""
    for folder in folders()[:-1]:
        try:
            return _made(folder)
        except OSError:  # as under sudo, where it is another user's
            continue
    return _made(folders()[-1])


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(folder):
        raise PermissionError(f"{folder} must be a folder of this user's that nobody else may use")
    return folder


def is_private(folder: Path) -> bool:
    """Return whether *folder* is this user's own and nobody else may enter it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = found.st_uid == os.geteuid()
    return mine and stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077


def sockets() -> Iterator[Path]:
    """Yield the sockets that were left in this user's folders, living or stale."""
    for folder in folders():
        if is_private(folder):
            yield from sorted(folder.glob(f"*{SUFFIX}"))
