"""Pools of each driver in turn, and what is logged of their leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_pools import fake
from logged_leases import logged

from multipool import Pool

__all__ = ["fake", "logged", "make_pool"]


@pytest.fixture
def make_pool(driver: Any, params: dict[str, str]) -> Iterator[Callable[..., Pool]]:
    """Make pools of this driver that are closed at the test's end."""
    made: list[Pool] = []

    def make(**options: Any) -> Pool:
        pool = Pool(params, driver=driver, **{"name": "shop", **options})
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close()
