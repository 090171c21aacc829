"""What a process of the demo says to the one that started it, and hears from it.

The job is one line of JSON on standard input, each message one line on standard output.
Standard input stays open for as long as the parent wants the child to run; so a child
ends even if its parent was killed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from multipool.watch import exposing


def job() -> dict[str, Any]:
    """Return what the parent wants done; from now on the process ends when the parent says so."""
    wanted: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    return wanted


def orders() -> Iterator[dict[str, Any]]:
    """Yield the job, then whatever else the parent wants, one after the other.

    Instead of `job`: the process is to end when there are no more.
    """
    for line in sys.stdin:
        yield json.loads(line)


def tell(**message: object) -> None:
    """Send *message* to the parent."""
    print(json.dumps(message), flush=True)


def _end_with_parent() -> None:
    sys.stdin.read()
    exposing.end()
    # At once, whatever the other threads do: there is nothing to save.
    os._exit(0)
