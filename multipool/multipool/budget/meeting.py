"""Where on this machine the processes meet that connect to the same place as the same user."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path


def meeting(where: object, ending: str) -> str:
    """Return a path for *where*, which may be known to everybody: so nothing of it is told."""
    name = f"multipool-{user()}-{sha256(repr(where).encode()).hexdigest()[:16]}.{ending}"
    return str(Path(tempfile.gettempdir(), name))


def user() -> int:
    """Return whose process this is, where there is such a number."""
    return os.getuid() if hasattr(os, "getuid") else 0
