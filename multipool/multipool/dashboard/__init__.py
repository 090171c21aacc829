"""The fleet on one page, for a browser: as a WSGI or an ASGI application.

    from multipool import Pool, dashboard

    application = dashboard.wsgi_app(Pool("postgresql://monitor@db/shop", driver="psycopg"))

``multipool serve`` is such an application with a server around it, and
``multipool_django.dashboard`` the same page in Django's admin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multipool.dashboard.asgi import ASGIDashboard
    from multipool.dashboard.wsgi import WSGIDashboard
    from multipool.pool import Pool

__all__ = ["asgi_app", "wsgi_app"]


def wsgi_app(
    pool: Pool, *, token: str | None = None, may_end: bool = False, raw_sql: bool = False
) -> WSGIDashboard:
    """Return the dashboard as a WSGI application; it may be mounted below any path.

    Args:
        pool: connects as a role that may read the fleet: see `multipool.fleet.read`. Two
            connections are plenty.
        token: who has it may look. Without one, only this machine is served: where the other
            end of the connection and the ``Host`` are loopback and no proxy shows itself.
        may_end: let viewers cancel queries and end sessions. The role must be allowed to.
        raw_sql: show statements as the server has them, with their literals.

    Raises `PoolConfigError` for a token of fewer than 16 characters, or of others than ASCII's.
    """
    from multipool.dashboard.site import Site
    from multipool.dashboard.source import PoolSource
    from multipool.dashboard.wsgi import WSGIDashboard

    return WSGIDashboard(Site(PoolSource(pool), token=token, may_end=may_end, raw_sql=raw_sql))


def asgi_app(
    pool: Pool, *, token: str | None = None, may_end: bool = False, raw_sql: bool = False
) -> ASGIDashboard:
    """Return the dashboard as an ASGI application. The arguments are those of `wsgi_app`."""
    from multipool.dashboard.asgi import ASGIDashboard
    from multipool.dashboard.site import Site
    from multipool.dashboard.source import PoolSource

    return ASGIDashboard(Site(PoolSource(pool), token=token, may_end=may_end, raw_sql=raw_sql))
