"""The server of the demo, and a database for each way of each driver, so that it tells them apart.

Connecting costs here what it costs in most places: TCP and a password (SCRAM).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from multipool.fleet.installing import script
from multipool.testing.server import SUPERUSER, EmbeddedServer, embedded_server
from multipool_django.demo.scale import MOST_CLIENTS
from multipool_django.demo.signals import Stop

_USER: Final = "shop"
#: Who looks at the fleet.
_READER: Final = "watchman"

# Where nothing is pooled each client connects again before the server has seen it go.
_CONNECTIONS: Final = 2 * MOST_CLIENTS + 50

# How long the server may take to notice that the last client has gone.
_FAREWELL: Final = 10.0  # seconds


class Databases:
    """The databases of a server that `serve` started."""

    def __init__(self, server: EmbeddedServer, password: str, stop: Stop) -> None:
        self._server = server
        self._password = password
        self._stop = stop

    @property
    def version(self) -> str:
        """PostgreSQL's version."""
        return self._ask("show server_version")

    def create(self, name: str, template: str = "template1") -> dict[str, str]:
        """Create the database *name* as a copy of *template*; return how to connect to it."""
        self._ask(f'create database "{name}" template "{template}" owner {_USER}')
        return {
            **self._server.tcp_params,
            "user": _USER,
            "password": self._password,
            "dbname": name,
        }

    def install_fleet(self, name: str) -> dict[str, str]:
        """Install the fleet in the database *name*; return how to connect as who may read it."""
        self._ask(f"create role {_READER} login in role pg_signal_backend, {_USER}")
        self._ask(script([_USER], [_READER]), name)
        return {**self._server.params, "user": _READER, "dbname": name}

    def connections_opened(self, name: str) -> int:
        """Return how many connections the database *name* has had, as the server counts them.

        A connection is in the server's statistics for certain when it has ended, so the
        clients must have gone. Raises `RuntimeError` if they do not go.
        """
        clients = f"datname = '{name}' and backend_type = 'client backend'"
        deadline = time.monotonic() + _FAREWELL
        while self._ask(f"select 1 from pg_stat_activity where {clients} limit 1"):  # noqa: S608 -- our own name
            if time.monotonic() > deadline:
                raise RuntimeError(f"somebody is still connected to the database {name}")
            time.sleep(0.02)
        sessions = f"select sessions from pg_stat_database where datname = '{name}'"  # noqa: S608
        return int(self._ask(sessions))

    def _ask(self, sql: str, name: str = SUPERUSER) -> str:
        # A program of its own, which a signal must not leave half started.
        with self._stop.held():
            return self._server.psql(sql, name)


@contextmanager
def serve(stop: Stop) -> Iterator[Databases]:
    """Run an embedded server that asks for a password; yield its `Databases`.

    Raises `RuntimeError` if it does not start.
    """
    rules = [f"host all {_USER} 127.0.0.1/32 scram-sha-256"]
    with embedded_server(tcp=True, hba=rules, max_connections=_CONNECTIONS) as server:
        password = secrets.token_urlsafe()
        server.psql(f"create role {_USER} login password '{password}'")
        yield Databases(server, password, stop)
