"""The pools that are compared, each behind the same few methods.

A peer adds nothing to what is timed: `Peer.cycle` and `Peer.blocks` are loops in the words
of that pool. The pools are imported when one is made, so a missing library costs only its
own rows.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar, Final, Self, TypeVar

P = TypeVar("P", bound="Peer")
Params = Mapping[str, str]
Hook = Callable[[Any], None]

EVERYTHING: Final = frozenset(
    {"waiting", "timeout", "lifetime", "configure hook", "reset hook", "object to drop"}
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every pool is asked for. Times are in seconds."""

    size: int = 10
    #: How long a checkout may wait.
    timeout: float = 30.0
    #: Whether the pool's own test for dead connections is on, where it is not by default.
    careful: bool = False
    lifetime: float | None = None
    #: Called with each new connection of the driver's.
    configure: Hook | None = None
    #: Called with each connection of the driver's that comes back.
    reset: Hook | None = None
    autocommit: bool = False


class Peer(ABC):
    """One pool of one library.

    Raises `NotOffered` if *options* ask for what the library does not have.
    """

    #: As it stands in the tables.
    label: ClassVar[str]
    #: And at the head of a narrow column.
    short: ClassVar[str]
    #: The distribution on PyPI (None: the driver itself) and the driver whose connections it lends.
    distribution: ClassVar[str | None]
    driver: ClassVar[str]
    #: What must be importable.
    modules: ClassVar[tuple[str, ...]]
    #: The option that `Options.careful` turns on; empty where there is none, or no need.
    care: ClassVar[str] = ""
    #: Which of `EVERYTHING` the library has.
    offers: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: Params, options: Options) -> None:
        asked = {
            "lifetime": options.lifetime,
            "configure hook": options.configure,
            "reset hook": options.reset,
        }
        for what, value in asked.items():
            if value is not None:
                self.need(what)

    @classmethod
    def need(cls, what: str) -> None:
        """Raise `NotOffered` unless the library has *what*."""
        if what not in cls.offers:
            raise NotOffered(f"has no {what}")

    @classmethod
    def installed(cls) -> bool:
        """Return whether the library and its driver are there."""
        return all(find_spec(module) for module in cls.modules)

    @classmethod
    def versions(cls) -> set[str]:
        """Return the versions of the library and its driver, as in ``pg8000 1.31.6``."""
        driver = f"{cls.driver} {import_module(cls.driver).__version__.split()[0]}"
        if cls.distribution is None:
            return {driver}
        return {f"{cls.distribution} {version(cls.distribution)}", driver}

    @abstractmethod
    def getconn(self) -> Any:
        """Borrow what users of this pool get: the driver's connection or the pool's proxy."""

    @abstractmethod
    def putconn(self, conn: Any) -> None:
        """Give it back."""

    @abstractmethod
    def cycle(self, count: int) -> None:
        """Borrow and give back *count* times."""

    @abstractmethod
    def close(self) -> None:
        """Close the pool in the library's own way."""

    def raw(self, conn: Any) -> Any:
        """Return the driver's own connection behind a borrowed one."""
        return conn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NotOffered(Exception):
    """The library has no such function."""


class Lending(Peer):
    """A pool with psycopg_pool's three methods."""

    pool: Any

    def getconn(self) -> Any:
        return self.pool.getconn()

    def putconn(self, conn: Any) -> None:
        self.pool.putconn(conn)

    def connection(self) -> AbstractContextManager[Any]:
        """Return the pool's own context manager for one lease."""
        lease: AbstractContextManager[Any] = self.pool.connection()
        return lease

    def cycle(self, count: int) -> None:
        getconn, putconn = self.pool.getconn, self.pool.putconn
        for _ in range(count):
            putconn(getconn())

    def blocks(self, count: int) -> None:
        """Borrow and give back by ``with pool.connection()``, *count* times."""
        connection = self.pool.connection
        for _ in range(count):
            with connection():
                pass

    def close(self) -> None:
        self.pool.close()


class Multipool(Lending):
    """Ours, as it comes: the upkeep thread on, sockets watched, sessions reset if touched."""

    label = "multipool"
    short = "multipool"
    distribution = "multipool"
    driver = "psycopg2"
    modules = ("multipool", "psycopg2")
    offers = EVERYTHING
    extra: ClassVar[dict[str, Any]] = {}

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        from multipool import Pool

        wanted = {"max_lifetime": options.lifetime, "reset": options.reset}
        self.pool = Pool(
            dict(params),
            driver=self.driver,
            max_size=options.size,
            timeout=options.timeout,
            configure=_configure(options),
            **{name: value for name, value in wanted.items() if value is not None},
            **self.extra,
        )


class MultipoolPsycopg(Multipool):
    """Ours, lending psycopg's connections."""

    label = "multipool, psycopg"
    short = ".. psycopg"
    driver = "psycopg"
    modules = ("multipool", "psycopg")


class MultipoolPg8000(Multipool):
    """Ours, lending pg8000's connections."""

    label = "multipool, pg8000"
    short = ".. pg8000"
    driver = "pg8000"
    modules = ("multipool", "pg8000")


class MultipoolInline(Multipool):
    """Ours without a thread: upkeep is done by whoever calls, sockets are looked at on checkout."""

    label = "multipool, inline"
    short = ".. inline"
    extra: ClassVar[dict[str, Any]] = {"upkeep": "inline"}


class MultipoolPolling(Multipool):
    """Ours without a thread and with a look at the socket at each checkout."""

    label = "multipool, inline, a poll each time"
    short = ".. polling"
    extra: ClassVar[dict[str, Any]] = {"upkeep": "inline", "check_after": 0}


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


class Closing(Peer):
    """A pool that lends proxies, whose ``close`` gives the connection back."""

    def putconn(self, conn: Any) -> None:
        conn.close()


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
        from dbutils.pooled_db import PooledDB  # type: ignore[import-untyped]

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


class Django(Closing):
    """Django's own pool: psycopg_pool behind Django's connection.

    Each borrower has a Django connection of its own, as each thread of a site has.
    """

    label = "Django's own pool"
    short = "Django"
    distribution = "Django"
    driver = "psycopg"
    modules = ("django", "psycopg_pool", "psycopg")
    care = "CONN_HEALTH_CHECKS"
    offers = frozenset({"waiting", "timeout", "lifetime"})
    engine: ClassVar[str] = "django.db.backends.postgresql"

    _numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        import django
        from django.conf import settings
        from django.db import connections

        if not settings.configured:
            settings.configure()
            django.setup()
        lifetime = {} if options.lifetime is None else {"max_lifetime": options.lifetime}
        pool = {"min_size": 0, "max_size": options.size, "timeout": options.timeout, **lifetime}
        names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
        rest = {name: value for name, value in params.items() if name not in names.values()}
        self._alias = f"benchmark-{next(self._numbers)}"
        self._connections = connections
        database = {
            "ENGINE": self.engine,
            "CONN_HEALTH_CHECKS": options.careful,
            "OPTIONS": {"pool": pool, **rest},
            **{ours: params[theirs] for ours, theirs in names.items() if theirs in params},
        }
        complete = connections.configure_settings({"default": database})["default"]
        connections.settings[self._alias] = complete

    def getconn(self) -> Any:
        # As `connections[alias]` makes one for each new thread.
        conn = self._connections.create_connection(self._alias)
        conn.inc_thread_sharing()
        conn.ensure_connection()
        return conn

    def cycle(self, count: int) -> None:
        conn = self._connections[self._alias]
        ensure_connection, close = conn.ensure_connection, conn.close
        for _ in range(count):
            ensure_connection()
            close()

    def raw(self, conn: Any) -> Any:
        return conn.connection

    def close(self) -> None:
        django_connection: Any = self._connections[self._alias]
        django_connection.close_pool()
        del self._connections[self._alias]
        del self._connections.settings[self._alias]


class MultipoolDjango(Django):
    """Our Django backend for psycopg, the driver of Django's own pool."""

    label = "multipool_django.psycopg"
    short = ".. Django"
    distribution = "multipool"
    modules = ("django", "multipool_django", "psycopg")
    care = ""
    engine = "multipool_django.psycopg"


#: Every library once.
ALL: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPg8000,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Psycopg2Pool,
    Django,
)


def installed(peers: Iterable[type[P]]) -> list[type[P]]:
    """Return those of *peers* whose libraries are there."""
    return [peer for peer in peers if peer.installed()]


def _configure(options: Options) -> Hook | None:
    if not options.autocommit:
        return options.configure

    def configure(conn: Any) -> None:
        conn.autocommit = True
        if options.configure is not None:
            options.configure(conn)

    return configure


def _connector(params: Params) -> Callable[[], Any]:
    """Return a function that opens a psycopg2 connection."""
    import psycopg2

    keywords: dict[str, Any] = dict(params)

    def connector() -> Any:
        return psycopg2.connect(**keywords)

    connector.dbapi = psycopg2  # type: ignore[attr-defined]  # DBUtils finds the error classes here
    return connector
