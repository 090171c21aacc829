"""Django's own pool, and our backend for Django."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

from benchmarks.peers.base import Closing, Options, Params


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
            # Named here, so that ours does not stand in for it, see `multipool_django.primary`.
            settings.configure(DATABASES={"default": {"ENGINE": Django.engine}})
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
        made = type(connections[self._alias]).__module__
        if made != f"{self.engine}.base":
            raise RuntimeError(f"{made} would be measured as {self.engine}")

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
