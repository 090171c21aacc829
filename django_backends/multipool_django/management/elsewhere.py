"""What all of this user's processes tell of an alias's pool: see `multipool.watch.expose`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from multipool import Pool
from multipool.watch.asking import processes
from multipool.watch.process import describe_pool


def told_of(pool: Pool) -> Iterator[dict[str, Any]]:
    """Yield what this process, and every other that is heard, tells of *pool*.

    Another's is the pool of the same name to the same database.
    """
    mine = describe_pool(pool)
    yield mine
    for process in processes():
        if process["pid"] != os.getpid():
            for told in process["pools"]:
                if _identity(told) == _identity(mine):
                    yield told


def _identity(told: dict[str, Any]) -> tuple[str, str]:
    return told["stats"]["name"], told["target"]
