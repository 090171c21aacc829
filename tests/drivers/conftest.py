"""The adapters' own tests are collected where their driver is installed.

What all drivers must do alike is asked twice: of the server itself, and through a PgBouncer
in transaction mode (``target``).
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from multipool.testing.proxy import Proxy

collect_ignore = [
    path
    for driver in ("psycopg2", "psycopg", "pg8000")
    if not find_spec(driver)
    for path in (f"test_{driver}.py", driver)
]


@pytest.fixture(params=["direct", "pgbouncer"])
def route(request):
    """The way to the server."""
    return request.param


@pytest.fixture
def target(request, route, driver, params):
    """The parameters by which *driver* reaches the scratch database on *route*."""
    if route == "direct":
        return params
    behind = request.getfixturevalue("pgbouncer")
    # psycopg prepares by itself what it sees often, which a pooler of transactions forbids.
    return {**behind, "prepare_threshold": None} if driver.name == "psycopg" else behind


@pytest.fixture
def connect(driver, target):
    """Open connections that are closed at the test's end."""
    opened = []

    def connect(**other):
        opened.append(driver.connect({**target, **other}, timeout=10))
        return opened[-1]

    yield connect
    for conn in opened:
        driver.close(conn)


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def proxy(target):
    """A proxy in front of *target*, which counts round trips."""
    with Proxy(target) as proxy:
        yield proxy
