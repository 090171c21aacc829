"""The hard cases are played on a real server, with every driver, with upkeep thread and inline."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hard_cases.outside import Outside

from multipool import Pool
from multipool.driver import Driver


@pytest.fixture(params=["thread", "inline"])
def upkeep(request: pytest.FixtureRequest) -> str:
    """Both kinds of upkeep in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def outside(driver: Driver, params: dict[str, str]) -> Iterator[Outside]:
    """The server's view of what a pool does: see `Outside`."""
    with Outside(driver, params, f"hard case {secrets.token_hex(4)}") as seen:
        yield seen


@pytest.fixture
def make_pool(
    driver: Driver, upkeep: str, params: dict[str, str], outside: Outside
) -> Iterator[Callable[..., Pool]]:
    """Make pools whose connections `outside` knows by name; they are closed after the test."""
    made: list[Pool] = []

    def make(target: dict[str, Any] | None = None, **options: Any) -> Pool:
        options = {"name": "shop", "upkeep": upkeep, "max_size": 2, **options}
        target = {**(target or params), "application_name": outside.name}
        pool = Pool(target, driver=driver, **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close(timeout=0)
