"""This process and its pools, as plain values for a reader elsewhere."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import PurePath
from time import monotonic
from typing import Any, Final

from multipool.pool import Pool, pools
from multipool.watch.finding import holders

#: How many statements of each pool are told apart.
QUERIES: Final = 100


def describe() -> dict[str, Any]:
    """Return what there is to tell of this process. No literal, parameter or password is in it."""
    return {
        "pid": os.getpid(),
        # The name alone: arguments may hold a password.
        "program": PurePath(sys.argv[0] if sys.argv else sys.executable).name,
        "pools": [describe_pool(pool) for pool in pools()],
    }


def describe_pool(pool: Pool) -> dict[str, Any]:
    """Return a pool's figures, who holds its connections, its queries, and what holds were for."""
    inner = pool._inner
    peak = inner.demand.peak(inner, monotonic())
    return {
        "target": str(inner.target),
        "observed": inner.demand.observed,
        "peak": None if peak is None else peak.as_dict(),
        "stats": asdict(pool.stats()),
        "holders": [holder.as_dict() for holder in holders(inner)],
        "queries": pool.queries(limit=QUERIES).as_dict(),
        "usage": pool.usage().as_dict(),
    }
