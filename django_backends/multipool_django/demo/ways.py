"""The ways of a Django site to its database: ours, Django's own, and another library's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

#: The connections of each pool, unless said otherwise.
SIZE: Final = 32
#: The most threads.
THREADS: Final = 100

_DJANGO: Final = "django.db.backends.postgresql"
_OTHER: Final = "dj_db_conn_pool.backends.postgresql"

_CHECKS: Final = {"CONN_HEALTH_CHECKS": True}
_PERSISTENT: Final = {"CONN_MAX_AGE": None, **_CHECKS}


@dataclass(frozen=True, eq=False)  # a key, though it holds dicts
class Way:
    """An entry of DATABASES, and what it needs."""

    label: str
    driver: str
    engine: str
    pool: Mapping[str, Any] | bool = False
    #: The other settings of the entry.
    database: Mapping[str, Any] = field(default_factory=dict)
    #: The module that must be installed beside Django and the driver, if any.
    library: str | None = None
    #: Whether a bare ``select 1`` is followed by a close.
    closes: bool = True

    @property
    def name(self) -> str:
        """The label and the driver."""
        return f"{self.label}, {self.driver}"

    def installed(self) -> bool:
        """Return whether it can be gone here."""
        modules = ["django", self.driver, *([self.library] if self.library else [])]
        return all(find_spec(module) for module in modules)

    def job(self, params: Mapping[str, str]) -> dict[str, object]:
        """Return what `visits` must be told for it to go this way to *params*' database."""
        # Django and what is built on it take psycopg wherever they find it.
        as_psycopg2 = self.driver == "psycopg2" and self.engine in (_DJANGO, _OTHER)
        return {
            "hidden": ["psycopg"] if as_psycopg2 else [],
            "engine": self.engine,
            "params": dict(params),
            "pool": self.pool,
            "database": dict(self.database),
            "closes": self.closes,
        }


def ours(driver: str) -> Way:
    """Return the way through a pool of multipool's, as it comes."""
    return Way("multipool", driver, f"multipool_django.{driver}", {"max_size": SIZE})


def unpooled(driver: str) -> Way:
    """Return the way through our backend with its pool turned off."""
    return Way("multipool, pool=False", driver, f"multipool_django.{driver}")


def per_request(driver: str) -> Way:
    """Return Django's own way as it comes: it connects for each request."""
    return Way("Django, as it comes", driver, _DJANGO)


def persistent(driver: str) -> Way:
    """Return Django's own with a connection that each thread keeps, and looks after."""
    return Way("Django, CONN_MAX_AGE=None, checks", driver, _DJANGO, database=_PERSISTENT)


def never_closed(driver: str) -> Way:
    """Return Django's own with a connection that nobody closes or looks after."""
    database = {"CONN_MAX_AGE": None}
    return Way("Django, never closed", driver, _DJANGO, database=database, closes=False)


def djangos_pool(checks: bool) -> Way:
    """Return Django's own with its pool, which is there for psycopg only."""
    label = "Django's own pool, checks" if checks else "Django's own pool"
    database = _CHECKS if checks else {}
    pool = {"min_size": 0, "max_size": SIZE}
    return Way(label, "psycopg", _DJANGO, pool, database, library="psycopg_pool")


def elsewhere() -> list[Way]:
    """Return all ways but ours that can be gone here."""
    made = [
        *(way(driver) for driver in ("psycopg2", "psycopg") for way in (per_request, persistent)),
        *(djangos_pool(checks) for checks in (False, True)),
        *(others_pool(driver) for driver in ("psycopg2", "psycopg")),
    ]
    return [way for way in made if way.installed()]


def others_pool(driver: str) -> Way:
    """Return the way through django-db-connection-pool, which asks at each checkout by default."""
    sizes = {"POOL_OPTIONS": {"POOL_SIZE": SIZE, "MAX_OVERFLOW": 0}}
    return Way("django-db-connection-pool", driver, _OTHER, False, sizes, "dj_db_conn_pool")
