"""libpq's connection parameters, made into what the adapter needs.

A parameter is taken from what was given, else from the service file, else from the
environment, else it has libpq's default. What cannot be done is refused by name.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from multipool import conninfo, services
from multipool.errors import PoolConfigError
from multipool_pg8000 import files
from multipool_pg8000.binding import BINDINGS
from multipool_pg8000.cursor import Cursor
from multipool_pg8000.encodings import codec_of
from multipool_pg8000.tls import TLS

#: The adapter's own keyword arguments, beside libpq's.
OWN: Final = ("autocommit", "binding", "cursor_factory")

# libpq's environment variables, but for those that mean nothing here.
_ENVIRONMENT: Final = {
    "PGAPPNAME": "application_name",
    "PGCHANNELBINDING": "channel_binding",
    "PGCLIENTENCODING": "client_encoding",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGDATABASE": "dbname",
    "PGGSSENCMODE": "gssencmode",
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGLOADBALANCEHOSTS": "load_balance_hosts",
    "PGOPTIONS": "options",
    "PGPASSFILE": "passfile",
    "PGPASSWORD": "password",
    "PGPORT": "port",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGSERVICE": "service",
    "PGSERVICEFILE": "servicefile",
    "PGSSLCERT": "sslcert",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLCRL": "sslcrl",
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLKEY": "sslkey",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMODE": "sslmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLSNI": "sslsni",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGUSER": "user",
}
# Those that libpq sends as settings of the session.
_SESSION: Final = {"PGTZ": "timezone", "PGGEQO": "geqo"}
# In PGDATESTYLE: whether the day or the month comes first.
_ORDER: Final = re.compile(r"\b(?:[DMY]{3}|(?:non)?euro\w*|us)\b", re.IGNORECASE)

# Parameters of which only these values can be had.
_ONLY: Final = {
    "binding": BINDINGS,
    "channel_binding": ("prefer",),
    "gssdelegation": ("0",),
    "gssencmode": ("disable", "prefer"),
    "keepalives": ("0", "1"),
    "max_protocol_version": ("3.0", "latest"),
    "min_protocol_version": ("3.0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslnegotiation": ("postgres",),
    "sslsni": ("1",),
}
_REFUSED: Final = frozenset(
    """
    gsslib krbsrvname oauth_client_id oauth_client_secret oauth_issuer oauth_scope requirepeer
    require_auth requiressl scram_client_key scram_server_key sslcrldir sslkeylogfile
    """.split()
)
_SOCKET_OPTIONS: Final = (
    *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
    "tcp_user_timeout",
)
#: Where the socket may lie: Debian's place first, then PostgreSQL's own.
SOCKET_DIRS: Final = ("/var/run/postgresql", "/tmp")  # noqa: S108  # PostgreSQL's own choice


@dataclass(frozen=True, slots=True)
class Host:
    """One server to try."""

    #: A name or address, or the directory of a Unix socket.
    name: str
    #: The address to use instead of looking the name up.
    address: str | None
    port: int

    @property
    def unix_socket(self) -> str | None:
        """The path of its Unix socket, if that is what it is."""
        if self.address is None and self.name[:1] in ("/", "@"):
            path = f"{self.name}/.s.PGSQL.{self.port}"
            # An @ stands for Linux's abstract namespace.
            return "\0" + path[1:] if path[0] == "@" else path
        return None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything it takes to connect."""

    hosts: tuple[Host, ...]
    user: str
    dbname: str
    #: None: look into the password file.
    password: str | None = field(repr=False)
    passfile: str
    tls: TLS
    #: Seconds for each address of a host, or None.
    connect_timeout: float | None
    target_session_attrs: str
    load_balance: bool
    #: Socket options, by libpq's names; ``tcp_user_timeout`` in milliseconds.
    keepalive: Mapping[str, int]
    #: What goes into the startup packet beside the user.
    startup: Mapping[str, str]
    #: What the connection object is made with.
    own: Mapping[str, Any]


def check(params: Mapping[str, Any]) -> None:
    """Raise `PoolConfigError` for a parameter that `settings` would not understand.

    The message names it and what is allowed, and holds no secret.
    """
    conninfo.check(params, OWN)
    for name, value in params.items():
        if value is None or value == "":
            continue
        if name in _REFUSED:
            raise PoolConfigError(f"connection parameter {name} is not supported by pg8000")
        if name in _ONLY:
            conninfo.refuse_unless_among(_ONLY[name], name, value, " with pg8000")
    encoding = params.get("client_encoding")
    if encoding and codec_of(str(encoding)) is None:
        raise PoolConfigError(
            "bad connection parameter client_encoding: Python has no codec of that name"
        )
    factory = params.get("cursor_factory")
    if factory is not None and not (isinstance(factory, type) and issubclass(factory, Cursor)):
        raise PoolConfigError(
            "bad connection parameter cursor_factory: must be a subclass of multipool_pg8000.Cursor"
        )
    if not isinstance(params.get("autocommit", False), bool):
        raise PoolConfigError("bad connection parameter autocommit: must be True or False")


def settings(params: Mapping[str, Any]) -> Settings:
    """Return what *params* mean, here and now: files and environment are read.

    Raises `PoolConfigError`.
    """
    given = {name: value for name, value in params.items() if value not in (None, "")}
    merged = {**_from_environment(), **services.named(given), **given}
    found = {name: value for name, value in merged.items() if value != ""}
    check(found)
    own: dict[str, Any] = {name: found.pop(name) for name in OWN if name in found}
    texts = {name: str(value) for name, value in found.items()}
    user = texts.get("user") or _system_user()
    dbname = texts.get("dbname") or user
    timeout = int(texts.get("connect_timeout", 0))
    return Settings(
        hosts=_hosts(texts),
        user=user,
        dbname=dbname,
        password=texts.get("password"),
        passfile=texts.get("passfile") or files.default_passfile(),
        tls=TLS.of(texts),
        connect_timeout=timeout if timeout > 0 else None,
        target_session_attrs=texts.get("target_session_attrs", "any"),
        load_balance=texts.get("load_balance_hosts") == "random",
        keepalive={name: int(texts[name]) for name in _SOCKET_OPTIONS if texts.get(name)},
        startup=_startup(texts, dbname),
        own=own,
    )


def _startup(texts: Mapping[str, str], dbname: str) -> dict[str, str]:
    startup = {
        "database": dbname,
        # Anything else could not hold what Python's strings can.
        "client_encoding": texts.get("client_encoding", "UTF8"),
        # Dates are read in this form only.
        "datestyle": "ISO",
    }
    for variable, setting in _SESSION.items():
        if value := os.environ.get(variable):
            startup[setting] = value
    if order := _ORDER.search(os.environ.get("PGDATESTYLE", "")):
        startup["datestyle"] += f", {order[0]}"
    for name in ("options", "replication"):
        if value := texts.get(name):
            startup[name] = value
    if program := texts.get("application_name") or texts.get("fallback_application_name"):
        startup["application_name"] = program
    return startup


def _hosts(texts: Mapping[str, str]) -> tuple[Host, ...]:
    names = texts.get("host", "").split(",")
    addresses = texts.get("hostaddr", "").split(",")
    count = max(len(names), len(addresses))
    if texts.get("host") and texts.get("hostaddr") and len(names) != len(addresses):
        raise PoolConfigError(
            f"bad connection parameters: {len(names)} values in host"
            f" but {len(addresses)} in hostaddr"
        )
    ports = texts.get("port", "").split(",")
    if len(ports) not in (1, count):
        raise PoolConfigError(
            f"bad connection parameter port: {len(ports)} values for {count} hosts;"
            " must be one for all or one for each"
        )
    names += [""] * (count - len(names))
    addresses += [""] * (count - len(addresses))
    ports *= count if len(ports) == 1 else 1
    hosts = []
    for name, address, port in zip(names, addresses, ports, strict=True):
        number = int(port or 5432)
        hosts.append(Host(name or address or _default_host(number), address or None, number))
    return tuple(hosts)


def _default_host(port: int) -> str:
    for directory in SOCKET_DIRS:
        if Path(directory, f".s.PGSQL.{port}").exists():
            return directory
    return "localhost"


def _from_environment() -> dict[str, str]:
    found = {name: os.environ[var] for var, name in _ENVIRONMENT.items() if os.environ.get(var)}
    if os.environ.get("PGREQUIRESSL", "").startswith("1"):  # libpq's of long ago, which it heeds
        found.setdefault("sslmode", "require")
    return found


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise PoolConfigError(
            "connection parameter user is missing, and the system user has no name"
        ) from None
