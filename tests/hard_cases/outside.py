"""A session beside the pool, which sees and ends those of the pool."""

from __future__ import annotations

from typing import Any, Self

from support import until

from multipool.driver import Driver


def ask(conn: Any, sql: str) -> list[tuple[Any, ...]]:
    """Run *sql* and return its rows."""
    with conn.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def run(conn: Any, sql: str) -> None:
    """Run *sql*, which has no result or none that matters."""
    with conn.cursor() as cursor:
        cursor.execute(sql)


class Outside:
    """Looks at the sessions of one pool by their ``application_name``."""

    def __init__(self, driver: Driver, params: dict[str, Any], name: str) -> None:
        self.name = name
        self._driver = driver
        self.params = params
        self._connect()

    def _connect(self) -> None:
        self._conn = self._driver.connect(self.params, 10)
        self._conn.autocommit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close(self._conn)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run *sql* and return its rows."""
        try:
            return ask(self._conn, sql)
        except self._driver.OperationalError:  # the server was restarted
            self._driver.close(self._conn)
            self._connect()
            return ask(self._conn, sql)

    def run(self, sql: str) -> None:
        """Run *sql*, which has no result."""
        run(self._conn, sql)

    def pids(self) -> set[int]:
        """Return the pids of the pool's sessions."""
        rows = self.ask(f"select pid from pg_stat_activity where application_name = '{self.name}'")
        return {pid for (pid,) in rows}

    def end(self, *pids: int) -> None:
        """End sessions, and wait until they are gone."""
        for pid in pids:
            self.ask(f"select pg_terminate_backend({pid})")
        until(lambda: not self.pids() & set(pids))
