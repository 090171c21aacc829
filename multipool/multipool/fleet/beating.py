"""The hearts of this process: one for each server that has pools with ``fleet``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from multipool.fleet.heart import Heart
from multipool.fleet.options import FleetOptions

if TYPE_CHECKING:
    from multipool.inner import Inner
    from multipool.target import Address

_hearts: Final[dict[tuple[int, Address], Heart]] = {}


def tick(inner: Inner) -> float:
    """Beat for *inner*'s process and server if it is time.

    Returns the monotonic time at which to call again. Meant for a pool that has had a
    connection: one that was never used, as in a process that only forks, has nothing to tell.
    """
    key = _key(inner)
    heart = _hearts.get(key)
    if heart is None:
        made = Heart(FleetOptions.read(_options(inner)))
        heart = _hearts.setdefault(key, made)
    return heart.tick(inner)


def leave(inner: Inner) -> None:
    """Say goodbye if *inner*, which is about to be closed, is the last pool on its server."""
    heart = _hearts.get(_key(inner))
    if heart is not None:
        heart.leave(inner)


def _key(inner: Inner) -> tuple[int, Address]:
    # A forked child has a life of its own.
    return os.getpid(), inner.target.address


def _options(inner: Inner) -> dict[str, object]:
    given = inner.config.fleet
    options = dict(given) if not isinstance(given, bool) else {}
    if "app" not in options and inner.target.application:
        options["app"] = inner.target.application
    return options
