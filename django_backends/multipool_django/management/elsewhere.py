"""What all of this user's processes tell of an alias's pool: see `multipool.watch.expose`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from multipool import Pool
from multipool.watch.asking import processes
from multipool.watch.exposed import VARIABLE
from multipool.watch.process import describe_pool

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper


class Told(NamedTuple):
    """What there is to hear of an alias's pool."""

    #: What each process tells, this one first.
    pools: tuple[dict[str, Any], ...]
    #: Why there is no pool, or None.
    error: str | None
    #: Whether this process counts what is executed, and with it what connections are held for.
    counted: bool


def ask(connection: PooledWrapper) -> Told:
    """Return what all processes tell of the pool of *connection*'s alias. Does not connect."""
    try:
        pool = connection.pool
    except ImproperlyConfigured as error:
        return Told((), str(error), counted=False)
    if pool is None:
        return Told((), None, counted=False)
    return Told(tuple(_told_of(pool)), None, pool.config.queries)


def why_none(entry: dict[str, Any]) -> str:
    """Return what a report says whose *entry*, with `Told.counted` in it, has nothing to show."""
    if not entry["counted"]:
        return "not counted: the option queries is off."
    return f"none. Others are heard if they run with {VARIABLE}=1."


def _told_of(pool: Pool) -> Iterator[dict[str, Any]]:
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
