"""Opening a connection: hosts in their order, TLS, the wanted kind of server.

The order of attempts, and which failures go on to the next host, are libpq's.
"""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final, cast

from multipool_pg8000 import files, messages
from multipool_pg8000.connection import Connection
from multipool_pg8000.errors import Error, InterfaceError, OperationalError
from multipool_pg8000.internals import dbapi
from multipool_pg8000.params import SOCKET_DIRS, Host, Settings
from multipool_pg8000.transport import PlainSocket, TLSSocket, left

# Answers after which another host may do better: starting up or shutting down, and full.
_ELSEWHERE: Final = ("57P", "53")
# Answers after which the same host may do better with or without TLS.
_AUTHORIZATION: Final = "28"

_KEEPALIVE_OPTIONS: Final = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


class _NotWanted(OperationalError):
    """The server is not of the kind that ``target_session_attrs`` asks for."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one connection goes, as far as it takes to go there again."""

    host: str
    port: int
    dbname: str
    options: str
    family: int
    #: The socket's address, as `socket.socket.connect` takes it.
    target: tuple[object, ...] | str
    #: The context, where the connection is encrypted.
    tls: ssl.SSLContext | None
    #: Whether an unencrypted connection is refused, should the server not speak TLS.
    tls_required: bool
    keepalive: tuple[tuple[str, int], ...]

    def open(self, seconds: float | None) -> PlainSocket | TLSSocket:
        """Return a connected socket, encrypted if it should be, within *seconds* in all.

        Raises OSError, `OperationalError` if the server refuses TLS.
        """
        until = None if seconds is None else monotonic() + seconds
        sock = PlainSocket(self.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            self._dial(sock)
            if self.family != socket.AF_UNIX:
                self._tune(sock)
            if self.tls is None:
                return sock
            sock.settimeout(_left(until))
            sock.sendall(messages.SSL_REQUEST)
            answer = sock.recv(1)
            if answer == b"S":
                sock.settimeout(_left(until))
                return self._encrypted(sock, self.tls)
            if not answer:
                raise ConnectionError("server closed the connection unexpectedly")
            if self.tls_required or answer != b"N":
                raise OperationalError("the server does not support TLS, but sslmode requires it")
            return sock
        except BaseException:
            sock.close()
            raise

    def _encrypted(self, sock: socket.socket, tls: ssl.SSLContext) -> TLSSocket:
        try:
            # What `tls` makes of every context.
            return cast(TLSSocket, tls.wrap_socket(sock, server_hostname=self.host))
        except ConnectionError as error:
            # Some refuse a handshake by hanging up; that it was one decides what is tried next.
            raise ssl.SSLError(f"TLS handshake failed: {error}") from error

    def _dial(self, sock: socket.socket) -> None:
        try:
            sock.connect(self.target)
        except (FileNotFoundError, BlockingIOError) as error:  # the latter where its queue is full
            # libpq asks so too, and by that an outage is told from a wrong setting.
            hint = "is the server running locally and accepting connections on that socket?"
            raise type(error)(f"{error}; {hint}") from error

    def _tune(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        values = dict(self.keepalive)
        if values.get("keepalives", 1):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, constant in _KEEPALIVE_OPTIONS.items():
            if values.get(name, 0) > 0 and hasattr(socket, constant):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, constant), values[name])


def connect(settings: Settings, timeout: float | None = None) -> Connection:
    """Return a new connection, within about *timeout* seconds in all.

    Each attempt has its share of them, so that a server which says nothing leaves some for the
    next one.

    Raises `OperationalError`, which says for each server that was tried what went wrong.
    """
    deadline = None if timeout is None else monotonic() + timeout
    wanted = settings.target_session_attrs
    # "prefer-standby" goes through the hosts twice: for a standby, then for anything.
    rounds = ("standby", "any") if wanted == "prefer-standby" else (wanted,)
    failures: list[Exception] = []
    try:
        attempts = [(kind, host) for kind in rounds for host in _ordered(settings)]
        for number, (kind, host) in enumerate(attempts):
            try:
                return _connect_host(settings, host, kind, _share(deadline, len(attempts) - number))
            except (OSError, Error) as failed:
                failures.append(_about(f"connection to server at {_place(host)} failed", failed))
                if not _may_do_better_elsewhere(failed):
                    break
        raise _merged(failures)
    finally:
        # A traceback that leads back to this frame would keep the caller's objects alive.
        failures.clear()


def _connect_host(
    settings: Settings, host: Host, wanted: str, deadline: float | None
) -> Connection:
    failures: list[Exception] = []
    try:
        targets = list(_targets(settings, host))
        for number, (family, target) in enumerate(targets):
            until = _share(deadline, len(targets) - number)
            if settings.connect_timeout is not None:
                limit = monotonic() + settings.connect_timeout
                until = limit if until is None else min(limit, until)
            connection = _connect_target(settings, host, family, target, wanted, until, failures)
            if connection is not None:
                return connection
            if isinstance(failures[-1], OperationalError):
                break  # the server has answered: its other addresses would say the same
        raise _merged(failures)
    finally:
        failures.clear()


def _connect_target(
    settings: Settings,
    host: Host,
    family: int,
    target: tuple[object, ...] | str,
    wanted: str,
    deadline: float | None,
    failures: list[Exception],
) -> Connection | None:
    """Return a connection, with TLS or without in libpq's order, or None: *failures* say why."""
    encrypted = (False,) if family == socket.AF_UNIX else settings.tls.attempts()
    for turn, encrypt in enumerate(encrypted):
        address = _address(settings, host, family, target, encrypt)
        declined = False
        try:
            sock = address.open(_left(deadline))
            declined = encrypt and not isinstance(sock, ssl.SSLSocket)
            if declined and turn:
                sock.close()
                break  # without TLS it was tried
            return _let_in(settings, host, address, sock, wanted, deadline)
        except ssl.SSLError as failed:
            failures.append(failed)  # without TLS it may do better, if that is allowed
        except OSError as failed:
            failures.append(failed)
            break
        except OperationalError as failed:
            failures.append(failed)
            # One login that fails should count once where accounts are locked for it.
            if declined or not (failed.sqlstate or "").startswith(_AUTHORIZATION):
                break
    return None


def _about(what: str, error: Exception) -> OperationalError:
    """Return *error* with *what* in front; its SQLSTATE and fields are kept."""
    told = OperationalError(f"{what}: {error}")
    if isinstance(error, Error):
        told.sqlstate, told.pgerror, told._diag = error.sqlstate, error.pgerror, error._diag
    told.__cause__ = error
    return told


def _merged(failures: list[Exception]) -> Exception:
    """Return the one error that says what went wrong each time; its SQLSTATE is the first's."""
    # Two addresses of one name often fail alike, which need not be said twice.
    texts = list(dict.fromkeys(map(str, failures)))
    if len(texts) == 1:
        return failures[0]
    merged = OperationalError("\n".join(texts))
    told = next((one for one in failures if isinstance(one, Error) and one.sqlstate), None)
    if told is not None:
        merged.sqlstate, merged.pgerror, merged._diag = told.sqlstate, told.pgerror, told._diag
    return merged


def _let_in(
    settings: Settings,
    host: Host,
    address: Address,
    sock: PlainSocket | TLSSocket,
    wanted: str,
    deadline: float | None,
) -> Connection:
    try:
        sock.settimeout(_left(deadline))
        sock.until = deadline
        connection = Connection(
            address,
            sock,
            settings.user,
            _password(settings, host),
            dict(settings.startup),
            **settings.own,
        )
        try:
            if not _is_wanted(connection, wanted):
                raise _NotWanted(f"the server is not what target_session_attrs={wanted} asks for")
        except BaseException:
            connection.hang_up()
            raise
    except dbapi.InterfaceError as error:
        sock.close()
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise OperationalError(str(error)) from error
    except BaseException:
        sock.close()
        raise
    connection.take_its_time()
    return connection


def _is_wanted(connection: Connection, wanted: str) -> bool:
    if wanted == "any":
        return True
    if wanted in ("primary", "standby"):
        standby = _ask(connection, "in_hot_standby", "SELECT pg_is_in_recovery()::text")
        return (standby in ("on", "true")) == (wanted == "standby")
    read_only = (
        _ask(connection, "in_hot_standby", "SELECT pg_is_in_recovery()::text")
        in (
            "on",
            "true",
        )
        or _ask(connection, "default_transaction_read_only", "SHOW transaction_read_only") == "on"
    )
    return read_only == (wanted == "read-only")


def _ask(connection: Connection, reported: str, query: str) -> str | None:
    """Return what the server reported (from PostgreSQL 14 on), or what it answers."""
    known = connection.get_parameter_status(reported)
    if known is not None:
        return known
    result = connection.exchange(
        messages.query(query.encode()), find_loaders=lambda columns: [bytes.decode]
    )
    answer: str = result.rows[0][0]
    return answer


def _targets(settings: Settings, host: Host) -> Iterator[tuple[int, tuple[object, ...] | str]]:
    if (path := host.unix_socket) is not None:
        yield socket.AF_UNIX, path
        return
    found = socket.getaddrinfo(host.address or host.name, host.port, type=socket.SOCK_STREAM)
    if settings.load_balance:
        random.shuffle(found)
    for family, _, _, _, target in found:
        yield family, target


def _address(
    settings: Settings, host: Host, family: int, target: tuple[object, ...] | str, encrypt: bool
) -> Address:
    return Address(
        host=host.name,
        port=host.port,
        dbname=settings.dbname,
        options=settings.startup.get("options", ""),
        family=family,
        target=target,
        tls=settings.tls.context() if encrypt else None,
        tls_required=settings.tls.required,
        keepalive=tuple(settings.keepalive.items()),
    )


def _password(settings: Settings, host: Host) -> str | None:
    if settings.password is not None:
        return settings.password
    # libpq's name in the file for a socket in its default place.
    name = "localhost" if host.name in SOCKET_DIRS else host.name
    return files.password(settings.passfile, name, host.port, settings.dbname, settings.user)


def _ordered(settings: Settings) -> list[Host]:
    hosts = list(settings.hosts)
    if settings.load_balance:
        random.shuffle(hosts)
    return hosts


def _may_do_better_elsewhere(error: Exception) -> bool:
    if isinstance(error, InterfaceError):
        return False
    sqlstate = getattr(error, "sqlstate", None)
    return sqlstate is None or sqlstate.startswith(_ELSEWHERE)


def _share(deadline: float | None, attempts: int) -> float | None:
    """Return until when the next of so many *attempts* may take."""
    if deadline is None:
        return None
    now = monotonic()
    return now + (deadline - now) / attempts


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else left(deadline)


def _place(host: Host) -> str:
    if host.unix_socket is not None:
        return f"socket {host.unix_socket!r}"
    shown = f"{host.name!r} ({host.address})" if host.address else repr(host.name)
    return f"{shown}, port {host.port}"
