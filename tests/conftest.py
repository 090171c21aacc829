"""Fixtures that all tests share: a server, a scratch database, the installed drivers.

``MULTIPOOL_TEST_DSN`` names another server than the embedded one; its role must be able
to create databases. What needs a server to stop and start is then skipped, and says so.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import pgbouncer as pgbouncers
import pytest

from multipool import compiled_path, conninfo
from multipool.driver import Driver, drivers, get_driver
from multipool.testing.server import EmbeddedServer, embedded_server, uri
from multipool.testing.server import version as server_version

FOREIGN = os.environ.get("MULTIPOOL_TEST_DSN")

# Adapters are listed even where the driver they adapt is not installed.
INSTALLED = [name for name in drivers() if find_spec(name)]


# What these ask of each driver in turn depends on nothing else that is installed.
ASKED_ALONE = ("drivers", "fleet", "hard_cases", "plans", "torture", "watch")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-repeats",
        action="store_true",
        help="leave out what is the same in an environment with one driver only (see tox.ini)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--no-repeats"):
        return
    tests = config.rootpath / "tests"
    folders = {tests / name for name in ASKED_ALONE}

    def repeats_one(item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function):
            return False
        if tests / "django" in item.path.parents:
            # Django takes psycopg for the driver as soon as it is there, whatever else is.
            call = getattr(item, "callspec", None)
            return call is not None and call.params.get("driver_name") == "psycopg"
        return "driver" in item.fixturenames and bool(folders & set(item.path.parents))

    repeats = {item: True for item in items if repeats_one(item)}
    config.hook.pytest_deselected(items=list(repeats))
    items[:] = [item for item in items if item not in repeats]


def pytest_configure() -> None:
    """Hear SIGINT even where the run was started in the background, which turns it off.

    What tests start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """Say in the first lines which server, drivers and Django the run is about."""
    packages = ["psycopg2", "psycopg2-binary", "pg8000", "psycopg", "Django"]
    found = [f"{package} {_version(package)}" for package in packages if _version(package)]
    server = "named by MULTIPOOL_TEST_DSN" if FOREIGN else f"{server_version()}, embedded"
    path = "C" if compiled_path.in_use else "Python"
    return [f"PostgreSQL: {server}", f"drivers: {', '.join(found) or 'none'}", f"hot path: {path}"]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@pytest.fixture(scope="session")
def _embedded() -> Iterator[EmbeddedServer]:
    with embedded_server(tcp=True, max_prepared_transactions=5) as server:
        yield server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> EmbeddedServer:
    """The embedded server, which a test may stop, if it starts it again."""
    if FOREIGN:
        pytest.skip("MULTIPOOL_TEST_DSN names a server that cannot be stopped and started")
    found: EmbeddedServer = request.getfixturevalue("_embedded")
    return found


@pytest.fixture(scope="session")
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """The libpq URI of an empty database made for this run, dropped at the end of it."""
    scratch = f"multipool_{secrets.token_hex(4)}"
    if FOREIGN:
        params = conninfo.parse(FOREIGN)
        run: Callable[[str], object] = partial(_run, get_driver(INSTALLED[0]), FOREIGN)
    else:
        embedded: EmbeddedServer = request.getfixturevalue("_embedded")
        params, run = embedded.params, embedded.psql
    run(f"create database {scratch}")
    yield uri({**params, "dbname": scratch})
    run(f"drop database {scratch} with (force)")


def _run(driver: Driver, dsn: str, sql: str) -> None:
    conn = driver.connect(driver.parse_dsn(dsn), timeout=10)
    try:
        driver.execute(conn, sql)
    finally:
        driver.close(conn)


@pytest.fixture(scope="session")
def params(dsn: str) -> dict[str, str]:
    """The parameters of the scratch database."""
    return conninfo.parse(dsn)


@pytest.fixture(scope="session")
def pgbouncer_program() -> str:
    """Where PgBouncer is."""
    program = pgbouncers.program()
    if program is None:
        pytest.skip("install pgbouncer (apt-get install pgbouncer)")
    return program


@pytest.fixture(scope="session")
def pgbouncer(
    server: EmbeddedServer, params: dict[str, str], pgbouncer_program: str
) -> Iterator[dict[str, str]]:
    """The parameters of the scratch database behind a PgBouncer in transaction mode."""
    with pgbouncers.running(pgbouncer_program, params) as through:
        yield through


@pytest.fixture(params=INSTALLED)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each installed driver in turn."""
    return get_driver(request.param)
