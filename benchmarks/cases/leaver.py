"""A program that ends while its pools have connections idle, lent and waited for.

It prints the monotonic time at which its last statement was run; see
`benchmarks.cases.breaking.leaves_in_peace`.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import Any

from benchmarks import peers
from benchmarks.cases.scene import Attempt
from benchmarks.measure import fill


def leave(kind: type[peers.Peer], params: peers.Params) -> list[Any]:
    """Return what is to be alive at the end."""
    pool = kind(params, peers.Options(size=2))
    fill(pool, 2)
    lent = pool.getconn()
    exhausted = kind(params, peers.Options(size=1))
    held = exhausted.getconn()
    if "waiting" in kind.offers:
        Attempt(exhausted.getconn)
        time.sleep(0.2)
    return [pool, lent, exhausted, held]


if __name__ == "__main__":
    alive = leave(getattr(peers, sys.argv[1]), json.loads(sys.argv[2]))
    with suppress(BrokenPipeError):
        print(time.monotonic(), flush=True)
