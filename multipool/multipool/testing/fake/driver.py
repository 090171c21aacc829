"""The adapter: the pool's contract, fulfilled in memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from multipool import PoolConfigError, conninfo
from multipool.driver import FULL, OUTAGE, REFUSAL, Driver
from multipool.testing.fake import errors
from multipool.testing.fake.connection import FakeConnection
from multipool.testing.fake.server import FakeServer


class FakeDriver(Driver):
    """A driver with a server of its own; several may share one.

    It accepts libpq's parameters, so that a DSN does too, and heeds ``application_name``
    and ``connect_timeout``.
    """

    name = "fake"
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    OperationalError = errors.OperationalError

    def __init__(self, server: FakeServer | None = None) -> None:
        self.server = FakeServer() if server is None else server

    def check_params(self, params: Mapping[str, Any]) -> None:
        conninfo.check(params)
        _wanted(params)

    def connect(self, params: Mapping[str, Any], timeout: float | None) -> FakeConnection:
        wanted = _wanted(params)
        if wanted > 0:
            timeout = wanted if timeout is None else min(wanted, timeout)
        backend = self.server.connect(str(params.get("application_name", "")), timeout)
        return FakeConnection(self.server, backend)

    def close(self, conn: FakeConnection) -> None:
        with suppress(Exception):
            conn.close_for_good()

    def abandon(self, conn: FakeConnection) -> None:
        conn.abandon()

    def observe(self, conn: FakeConnection, sight: Any) -> None:
        conn._multipool_sight = sight

    def status(self, conn: FakeConnection) -> int:
        return conn.status

    def fileno(self, conn: FakeConnection) -> int:
        return conn.fileno()

    def drain(self, conn: FakeConnection) -> bool:
        return conn.drain()

    def rollback(self, conn: FakeConnection) -> None:
        conn.rollback()

    def commit(self, conn: FakeConnection) -> None:
        conn.commit()

    def cancel(self, conn: FakeConnection) -> None:
        conn.cancel()

    def execute(self, conn: FakeConnection, sql: str) -> None:
        autocommit = conn.autocommit
        conn.autocommit = True
        try:
            conn.cursor().execute(sql)
        finally:
            conn.autocommit = autocommit

    def set_parameter(self, conn: FakeConnection, name: str, value: str) -> None:
        literal = value.replace("'", "''")
        self.execute(conn, f"set {name} to '{literal}'")

    def remember(self, conn: FakeConnection, configured: bool = False) -> Any:
        client = conn.autocommit, conn.isolation_level, conn.readonly, conn.cursor_factory
        return client, dict(conn.settings)

    def restore(self, conn: FakeConnection, settings: Any) -> None:
        client, _ = settings
        conn.autocommit, conn.isolation_level, conn.readonly, conn.cursor_factory = client
        conn.notifies.clear()

    def reset(self, conn: FakeConnection, settings: Any) -> None:
        self.execute(conn, "discard all")
        conn.settings.update(settings[1])

    def parameter_status(self, conn: FakeConnection, name: str) -> str | None:
        return conn.settings.get(name)

    def backend_pid(self, conn: FakeConnection) -> int | None:
        return conn.backend_pid

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "sqlstate", None)

    def failure(self, error: BaseException) -> str:
        sqlstate = self.sqlstate(error)
        if sqlstate == "53300":
            return FULL
        return OUTAGE if sqlstate is None or sqlstate.startswith("57P0") else REFUSAL


def _wanted(params: Mapping[str, Any]) -> float:
    try:
        return float(params.get("connect_timeout") or 0)
    except ValueError:
        raise PoolConfigError("bad connection parameter connect_timeout: no number") from None
