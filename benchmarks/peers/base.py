"""What is asked of every pool, and how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar, Final, Self

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


class Closing(Peer):
    """A pool that lends proxies, whose ``close`` gives the connection back."""

    def putconn(self, conn: Any) -> None:
        conn.close()
