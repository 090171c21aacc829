"""Fixtures for pools on the fake driver: exact timing, scripted failures, no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from multipool import Pool
from multipool.testing.fake import FakeDriver, FakeServer
from multipool.upkeep import Inline


class AtOnce(Inline):
    """Upkeep whose work is done at once, in the thread that asks for it."""

    watching = True


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture
def make_pool(fake: FakeServer) -> Iterator[Callable[..., Pool]]:
    """Make pools on the fake server; they are closed after the test."""
    made: list[Pool] = []

    def make(**options: Any) -> Pool:
        options.setdefault("name", "shop")
        pool = Pool("dbname=shop", driver=FakeDriver(fake), **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close(timeout=0)
