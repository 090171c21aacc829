"""A database with the fleet installed, as seen from outside, and beats on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from multipool import Pool
from multipool.driver import Driver
from multipool.fleet import beating
from multipool.fleet.installing import install
from multipool.testing.server import EmbeddedServer

#: The application's role, and the reader's.
APP, OPS = "fleet_app", "fleet_ops"


@dataclass
class Store:
    """A database with the fleet installed, seen from outside."""

    server: EmbeddedServer
    name: str

    @property
    def params(self) -> dict[str, str]:
        return {**self.server.params, "dbname": self.name}

    def psql(self, sql: str) -> str:
        return self.server.psql(sql, self.name)

    def processes(self) -> list[dict[str, Any]]:
        """Return the rows as they are."""
        told = self.psql("select coalesce(json_agg(p order by pid), '[]') from multipool.process p")
        found: list[dict[str, Any]] = json.loads(told)
        return found

    def process(self) -> dict[str, Any]:
        """Return the only row."""
        [row] = self.processes()
        return row

    def pass_time(self, seconds: float) -> None:
        """Let all have been silent for so long."""
        self.psql(f"update multipool.process set beat_at = beat_at - interval '{seconds} s'")


def heart_of(pool: Pool) -> Any:
    """Return what beats for *pool*."""
    return beating._hearts[beating._key(pool._inner)]


def beat(pool: Pool) -> None:
    """Let the process of *pool* beat now, by this thread."""
    inner = pool._inner
    if not inner.connected:
        with pool.connection():
            pass
    beating.tick(inner)  # the first is due at once
    heart = heart_of(pool)
    heart._calls.due = 0.0
    beating.tick(inner)


def install_as(driver: Driver, params: dict[str, str], *roles: list[str]) -> None:
    """Install the fleet over a connection of *driver*'s."""
    conn = driver.connect(params, 5)
    try:
        install(driver, conn, *roles)
    finally:
        driver.close(conn)
