"""A database with the fleet installed, roles that report to it and read it, and beats on demand."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fleet_store import APP, OPS, Store

from multipool import Pool
from multipool.driver import Driver
from multipool.fleet import read
from multipool.fleet.installing import script
from multipool.fleet.snapshot import Snapshot
from multipool.testing.server import EmbeddedServer


@pytest.fixture(scope="session")
def roles(server: EmbeddedServer) -> Iterator[None]:
    """An application's role and a reader's."""
    server.psql(f"create role {APP} login; create role {OPS} login")
    yield
    server.psql(f"drop role {APP}, {OPS}")


@pytest.fixture
def bare(server: EmbeddedServer, roles: None) -> Iterator[Store]:
    """A database without the fleet."""
    name = f"fleet_{secrets.token_hex(4)}"
    server.psql(f"create database {name}")
    yield Store(server, name)
    server.psql(f"drop database {name} with (force)")


@pytest.fixture
def store(bare: Store) -> Store:
    """A database with it."""
    bare.psql(script([APP], [OPS]))
    return bare


@pytest.fixture
def make_pool(driver: Driver, request: pytest.FixtureRequest) -> Iterator[Callable[..., Pool]]:
    """Make pools of the application's that beat only when asked to, see `beat`."""
    made = []

    def make(store: Store, **options: Any) -> Pool:
        params = {**store.params, "user": APP, **options.pop("params", {})}
        options = {"fleet": {"app": "shop", "every": 600}, "upkeep": "inline", **options}
        pool = Pool(params, driver=driver, **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def ops(driver: Driver, store: Store) -> Iterator[Pool]:
    """A pool of the reader's."""
    with Pool({**store.params, "user": OPS}, driver=driver, max_size=1, name="ops") as pool:
        yield pool


@pytest.fixture
def look(ops: Pool) -> Callable[[], Snapshot]:
    """Read the fleet, and leave it alone."""
    return lambda: read(ops, watch=0)
