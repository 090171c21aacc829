"""The pools that are compared, each behind the same few methods.

A peer adds nothing to what is timed: `Peer.cycle` and `Lending.blocks` are loops in the words
of that pool. The pools are imported when one is made, so a missing library costs only its
own rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from benchmarks.peers.base import Closing, Lending, NotOffered, Options, Params, Peer
from benchmarks.peers.of_django import Django, MultipoolDjango
from benchmarks.peers.others import DBUtils, Psycopg2Pool, PsycopgPool, SQLAlchemy
from benchmarks.peers.ours import (
    Multipool,
    MultipoolInline,
    MultipoolPg8000,
    MultipoolPolling,
    MultipoolPsycopg,
    MultipoolPure,
)

__all__ = [
    "ALL",
    "Closing",
    "DBUtils",
    "Django",
    "Lending",
    "Multipool",
    "MultipoolDjango",
    "MultipoolInline",
    "MultipoolPg8000",
    "MultipoolPolling",
    "MultipoolPsycopg",
    "MultipoolPure",
    "NotOffered",
    "Options",
    "Params",
    "Peer",
    "Psycopg2Pool",
    "PsycopgPool",
    "SQLAlchemy",
    "installed",
    "of_ours",
]

P = TypeVar("P", bound=Peer)
T = TypeVar("T")

#: Every library once.
ALL: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPg8000,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Psycopg2Pool,
    Django,
)


def installed(peers: Iterable[type[P]]) -> list[type[P]]:
    """Return those of *peers* whose libraries are there."""
    return [peer for peer in peers if peer.installed()]


def of_ours(found: Mapping[str, T]) -> list[T]:
    """Return what was *found* of our own pools, by the labels of all."""
    return [one for label, one in found.items() if label.split(",")[0] == Multipool.label]
