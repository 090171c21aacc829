"""A PgBouncer in transaction mode, for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"

#: A database of its whose clients all share one connection to the server.
SHARED = "shared"

#: How many clients it lets in, and how many connections they share, unless told.
CLIENTS = 20
SIZE = 3

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
default_pool_size = {size}
max_client_conn = {max_client_conn}
ignore_startup_parameters = {ignored}
"""


def program() -> str | None:
    """Return the path of the program, if it is installed."""
    # Debian keeps it where only root's path leads.
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def running(
    program: str,
    params: Mapping[str, str],
    *,
    ignored: str = "extra_float_digits",
    clients: int = CLIENTS,
    size: int = SIZE,
) -> Iterator[dict[str, str]]:
    """Run one in front of the server and database of *params*; yield the way through it.

    *ignored* are the startup parameters that it drops without a word, *clients* how many it
    lets in, *size* how many connections to the server they share.
    """
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    settings = {
        "shared": SHARED,
        "listen_addr": LOOPBACK,
        "listen_port": port,
        "max_client_conn": clients,
        "size": size,
        "ignored": ignored,
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
