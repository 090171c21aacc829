"""The environment of the demo, whose server is its own and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_libpqs() -> Iterator[None]:
    """Hide PGHOST, PGSSLMODE and their like from this process's drivers and from its children.

    They are about the user's server; this one could not even be reached as some of them say.
    """
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(hidden)
