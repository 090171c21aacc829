"""The hearts of this process: one for each server that has pools with the same ``fleet``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from multipool.fleet.heart import Heart
from multipool.fleet.options import FleetOptions

if TYPE_CHECKING:
    from multipool.inner import Inner
    from multipool.target import Address

_hearts: Final[dict[tuple[int, Address, FleetOptions], Heart]] = {}


def tick(inner: Inner) -> float:
    """Beat for *inner*'s process and server if it is time.

    Returns the monotonic time at which to call again. Meant for a pool that has had a
    connection: one that was never used, as in a process that only forks, has nothing to tell.
    """
    key = _key(inner)
    heart = _hearts.get(key)
    if heart is None:
        heart = _hearts.setdefault(key, Heart(key[-1]))
    return heart.tick(inner)


def leave(inner: Inner) -> None:
    """Say goodbye if *inner*, which is about to be closed, is the last pool on its server."""
    heart = _hearts.get(_key(inner))
    if heart is not None:
        heart.leave(inner)


def _key(inner: Inner) -> tuple[int, Address, FleetOptions]:
    options = FleetOptions.read(inner.config.fleet)
    if options.app is None:
        options = replace(options, app=inner.target.application)
    # A forked child has a life of its own.
    return os.getpid(), inner.target.address, options
