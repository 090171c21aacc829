"""The adapters' own tests are collected where their driver is installed.

What all drivers must do alike is asked twice: of the server itself, and through a PgBouncer
in transaction mode (``target``).
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore = [
    path
    for driver in ("psycopg2", "psycopg", "pg8000")
    if not find_spec(driver)
    for path in (f"test_{driver}.py", driver)
]

LOOPBACK = "127.0.0.1"

CONFIG = """
[databases]
{shared} = host={host} port={port} user={user} dbname={dbname} pool_size=1
{dbname} = host={host} port={port} user={user}

[pgbouncer]
listen_addr = {listen_addr}
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = {max_client_conn}
"""


@pytest.fixture(scope="session")
def shared():
    """A database of PgBouncer's whose clients all share one connection to the server."""
    return "shared"


@pytest.fixture(scope="session")
def clients():
    """How many clients PgBouncer lets in."""
    return 20


@pytest.fixture(scope="session")
def pgbouncer(server, params, clients, shared) -> Iterator[dict[str, str]]:
    """The parameters of the scratch database behind a PgBouncer in transaction mode."""
    # Debian keeps it where only root's path leads.
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("install pgbouncer (apt-get install pgbouncer)")
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    settings = {
        "shared": shared,
        "listen_addr": LOOPBACK,
        "listen_port": port,
        "max_client_conn": clients,
    }
    # It refuses to run as root, and nobody else can read what pytest's own folders hold.
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as home:
        config = Path(home, "pgbouncer.ini")
        config.write_text(CONFIG.format(**settings, **params))
        if owner is not None:
            os.chown(home, owner.pw_uid, owner.pw_gid)
        process = subprocess.Popen(
            [program, "--quiet", config],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **({} if owner is None else {"user": owner.pw_uid, "extra_groups": []}),
        )
        try:
            _wait_for(process, port)
            yield {**params, "host": LOOPBACK, "port": str(port)}
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port)).close()
            return
        time.sleep(0.01)
    raise RuntimeError("PgBouncer does not start")


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
