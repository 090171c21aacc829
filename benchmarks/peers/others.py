"""The pools that multipool is compared with, but for Django's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.peers.base import EVERYTHING, Closing, Hook, Lending, Options, Params, Peer


class PsycopgPool(Lending):
    """psycopg_pool's ConnectionPool."""

    label = "psycopg_pool"
    short = "psycopg_pool"
    distribution = "psycopg-pool"
    driver = "psycopg"
    modules = ("psycopg_pool", "psycopg")
    care = "check"
    offers = EVERYTHING

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        from psycopg_pool import ConnectionPool

        lifetime: dict[str, Any] = (
            {} if options.lifetime is None else {"max_lifetime": options.lifetime}
        )
        self.pool = ConnectionPool(
            kwargs={**params, "autocommit": options.autocommit},
            min_size=0,
            max_size=options.size,
            timeout=options.timeout,
            check=ConnectionPool.check_connection if options.careful else None,
            configure=options.configure,
            reset=options.reset,
            open=True,
            **lifetime,
        )


class SQLAlchemy(Closing):
    """SQLAlchemy's QueuePool, as an engine sets it up."""

    label = "SQLAlchemy QueuePool"
    short = "SQLAlchemy"
    distribution = "SQLAlchemy"
    driver = "psycopg2"
    modules = ("sqlalchemy", "psycopg2")
    care = "pool_pre_ping"
    offers = EVERYTHING

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        import sqlalchemy

        self._engine = sqlalchemy.create_engine(
            "postgresql+psycopg2://",
            creator=_connector(params),
            pool_size=options.size,
            max_overflow=0,
            pool_timeout=options.timeout,
            pool_pre_ping=options.careful,
            pool_recycle=-1 if options.lifetime is None else options.lifetime,
        )
        self.pool = self._engine.pool
        self._listen("connect", options.configure)
        self._listen("reset", options.reset)

    def _listen(self, event: str, hook: Hook | None) -> None:
        if hook is not None:
            import sqlalchemy.event

            sqlalchemy.event.listen(self._engine, event, lambda conn, *_: hook(conn))

    def getconn(self) -> Any:
        return self.pool.connect()

    def cycle(self, count: int) -> None:
        connect = self.pool.connect
        for _ in range(count):
            connect().close()

    def raw(self, conn: Any) -> Any:
        return conn.dbapi_connection

    def close(self) -> None:
        self.pool.dispose()


class DBUtils(Closing):
    """DBUtils' PooledDB, with dedicated connections and blocking when exhausted."""

    label = "DBUtils PooledDB"
    short = "DBUtils"
    distribution = "DBUtils"
    driver = "psycopg2"
    modules = ("dbutils", "psycopg2")
    care = "ping"
    offers = frozenset({"waiting", "object to drop"})

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        from dbutils.pooled_db import PooledDB

        careful: dict[str, Any] = {"ping": "select 1"} if options.careful else {}
        self.pool = PooledDB(
            _connector(params), maxconnections=options.size, blocking=True, **careful
        )

    def raw(self, conn: Any) -> Any:
        return conn.dbapi_connection

    def getconn(self) -> Any:
        return self.pool.connection()

    def cycle(self, count: int) -> None:
        connection = self.pool.connection
        for _ in range(count):
            connection().close()

    def close(self) -> None:
        self.pool.close()


class Psycopg2Pool(Peer):
    """psycopg2's ThreadedConnectionPool.

    It closes what comes back beyond its minimum, so the minimum is the size: all are opened
    when it is made. It raises instead of waiting when it is exhausted.
    """

    label = "psycopg2.pool"
    short = "psycopg2.pool"
    distribution = None  # it is a part of the driver
    driver = "psycopg2"
    modules = ("psycopg2",)
    offers = frozenset({"object to drop"})

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        from psycopg2.pool import ThreadedConnectionPool

        self.pool = ThreadedConnectionPool(options.size, options.size, **params)

    def getconn(self) -> Any:
        return self.pool.getconn()

    def putconn(self, conn: Any) -> None:
        self.pool.putconn(conn)

    def cycle(self, count: int) -> None:
        getconn, putconn = self.pool.getconn, self.pool.putconn
        for _ in range(count):
            putconn(getconn())

    def close(self) -> None:
        self.pool.closeall()


def _connector(params: Params) -> Callable[[], Any]:
    """Return a function that opens a psycopg2 connection."""
    import psycopg2

    keywords: dict[str, Any] = dict(params)

    def connector() -> Any:
        return psycopg2.connect(**keywords)

    connector.dbapi = psycopg2  # DBUtils finds the error classes here
    return connector
