"""Asking the processes of this user for their pools."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from multipool.watch import runtime

#: Seconds for one process to answer; it may be busy.
PATIENCE: Final = 2.0


def processes() -> list[dict[str, Any]]:
    """Return what each process tells of itself (`multipool.watch.process.describe`), by pid.

    What a process left behind that was killed is removed; one that does not answer in time is
    left out.
    """
    found = [answer for path in runtime.sockets() if (answer := _ask(path)) is not None]
    return sorted(found, key=lambda process: (process["pid"], process["program"]))


def _ask(path: Path) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(PATIENCE)
        try:
            asking.connect(str(path))
            pieces = []
            while piece := asking.recv(1 << 16):
                pieces.append(piece)
            answer: dict[str, Any] = json.loads(b"".join(pieces))
        except ConnectionRefusedError:  # nobody listens any more
            with suppress(OSError):
                path.unlink()
            return None
        except (OSError, ValueError):  # it ends just now, or is stopped
            return None
    return answer
