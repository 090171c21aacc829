"""Asking the processes of this user for their pools."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from multipool.watch import runtime

#: Seconds for one process to answer; it may be busy.
PATIENCE: Final = 2.0
#: So many are asked at a time.
_AT_ONCE: Final = 64


def processes() -> list[dict[str, Any]]:
    """Return what each process tells of itself (`multipool.watch.process.describe`), by pid.

    One that does not answer in time is left out.
    """
    return ask()[0]


def ask() -> tuple[list[dict[str, Any]], int]:
    """Return what `processes` does, and how many there are that did not answer.

    All are asked at once, so that this takes as long as the slowest, up to `PATIENCE` seconds.
    What a process left behind that was killed is removed.
    """
    paths = list(runtime.sockets())
    if not paths:
        return [], 0
    with ThreadPoolExecutor(min(len(paths), _AT_ONCE)) as executor:
        answers = list(executor.map(_ask, paths))
    found = [answer for answer in answers if answer]
    return sorted(found, key=lambda one: (one["pid"], one["program"])), answers.count(None)


def did_not_answer(silent: int) -> str:
    """Return what is said of so many."""
    return f"{silent} of this user's processes did not answer: stopped, or too busy."


def _ask(path: Path) -> dict[str, Any] | None:
    """Return the answer; None if there is none, and an empty one of a process that has ended."""
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
            return {}
        # It is stopped, or so many ask already that there is no room in its line.
        except (TimeoutError, BlockingIOError, ValueError):
            return None
        except OSError:  # it ends just now
            return {}
    return answer
