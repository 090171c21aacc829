"""A server with the contrib extensions, which Django's suite creates and the embedded lacks."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multipool import conninfo
from multipool.testing.server import EmbeddedServer, embedded_server, version

#: Where the packages of distributions put PostgreSQL's programs.
PLACES = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own packages for Red Hat and SUSE
    "usr/libexec/postgresql*",  # Alpine
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "usr/local/pgsql/bin",
)

#: What the suite's migrations create.
EXTENSIONS = frozenset(
    "bloom btree_gin btree_gist citext hstore pg_trgm unaccent uuid-ossp".split()
)


class NoServer(Exception):
    """No PostgreSQL with the contrib extensions is at hand."""


@contextmanager
def contrib_server() -> Iterator[dict[str, str]]:
    """Yield the libpq parameters of the server to test on.

    It is the one that ``MULTIPOOL_TEST_DSN`` names, or a private one, made of the machine's
    PostgreSQL for as long as the block lasts. Raises `NoServer` if there is neither.
    """
    named = os.environ.get("MULTIPOOL_TEST_DSN")
    if named:
        yield conninfo.parse(named)
        return
    with embedded_server(programs=machines_programs()) as server:
        _require_contrib(server)
        yield server.params


def machines_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs."""
    found = [path for place in PLACES for path in Path("/").glob(place)]
    on_path = shutil.which("postgres")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    servers = [path for path in found if (path / "postgres").exists()]
    if not servers:
        raise NoServer(
            "no PostgreSQL server is installed on this machine; Debian's packages are"
            " postgresql and postgresql-contrib, and MULTIPOOL_TEST_DSN may name another server"
        )
    return max(servers, key=lambda path: float(re.match(r"[\d.]+", version(path))[0]))


def _require_contrib(server: EmbeddedServer) -> None:
    available = server.psql("select name from pg_available_extensions").split()
    missing = EXTENSIONS.difference(available)
    if missing:
        raise NoServer(
            f"the machine's PostgreSQL lacks the extensions {', '.join(sorted(missing))};"
            " Debian's package is postgresql-contrib"
        )
