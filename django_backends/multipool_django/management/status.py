"""``manage.py multipool status``: each alias's pool, and how full its server is.

The counts are those of this very process; the server's are of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from multipool.config import UNLIMITED

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper

#: The view with the names of those who are connected hides some from ordinary roles.
CONNECTIONS: Final = """
    select sum(numbackends)::int,
           sum(numbackends) filter (where datname = current_database())::int,
           current_setting('max_connections')::int
      from pg_stat_database
"""

#: Of a pool's figures, those in the table.
FIGURES: Final = ("driver", "size", "idle", "used", "waiting", "max_size")


def collect(connection: PooledWrapper) -> dict[str, Any]:
    """Return what is known of the alias of *connection*, as plain values. Connects.

    ``error`` is why the server was not asked, or None; ``pool`` is None if the settings allow
    for none.
    """
    pool = server = problem = None
    unused = connection.connection is None
    try:
        pool = connection.pool
        server = _ask(connection)
    except (DatabaseError, ImproperlyConfigured) as error:
        problem = str(error).strip()
    finally:
        if unused:
            connection.close()
    return {
        "alias": connection.alias,
        "database": connection.settings_dict["NAME"],
        "pool": None if pool is None else asdict(pool.stats()),
        "server": server,
        "error": problem,
    }


def _ask(connection: PooledWrapper) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        row: tuple[int, int, int] = cursor.fetchone()
    return dict(zip(("connections", "to_this_database", "max_connections"), row, strict=True))


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """Return a table of what `collect` found."""
    rows = [("alias", "pool", *FIGURES, "server"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [f"{entry['alias']}: {entry['error']}" for entry in found if entry["error"]]
    return "\n".join(lines)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    pool, server = entry["pool"] or {}, entry["server"]
    figures = {name: str(pool.get(name, "-")) for name in ("name", *FIGURES)}
    if pool and pool["max_size"] is None:
        figures["max_size"] = UNLIMITED
    full = (
        "not reached"
        if server is None
        else "{connections} of {max_connections} connections,"
        " {to_this_database} to this database".format(**server)
    )
    return (entry["alias"], *figures.values(), full)
