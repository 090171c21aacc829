"""The line of a place, as short as it can be told from others: ``shop/views.py:88``."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import PurePath

from multipool.watch.stacks import Place, line_number


def call_site(place: Place) -> str:
    """Return *place* as ``file.py:line``, the file as it is imported."""
    code, lasti = place
    return f"{short_name(code.co_filename)}:{line_number(code, lasti)}"


@lru_cache(maxsize=1024)
def short_name(filename: str) -> str:
    """Return *filename* without the folder of `sys.path` that it was imported from."""
    path = PurePath(filename)
    roots = [PurePath(entry) for entry in sys.path if entry]
    inside = [path.relative_to(root) for root in roots if root in path.parents]
    return min(inside, key=lambda found: len(found.parts), default=path).as_posix()
