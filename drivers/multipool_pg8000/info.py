"""What is known of a connection without asking the server."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multipool_pg8000.connection import Connection


class ConnectionInfo:
    """The facts about a connection, by psycopg's names."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def host(self) -> str:
        """The host's name, or the directory of the Unix socket."""
        return self._connection.address.host

    @property
    def port(self) -> int:
        """The port."""
        return self._connection.address.port

    @property
    def dbname(self) -> str:
        """The database's name."""
        return self._connection.address.dbname

    @property
    def user(self) -> str:
        """The name of the user who connected."""
        user: bytes = self._connection.user
        return user.decode()

    @property
    def options(self) -> str:
        """The command line options sent at start-up."""
        return self._connection.address.options

    @property
    def backend_pid(self) -> int:
        """The server process's id as told at connect."""
        return self._connection.get_backend_pid()

    @property
    def transaction_status(self) -> int:
        """The transaction status, as numbered in `multipool.driver`."""
        return self._connection.state

    @property
    def server_version(self) -> int:
        """The server's version as a number, such as 150004."""
        text = self.parameter_status("server_version") or ""
        numbers = [int(part) for part in text.split()[0].split(".") if part.isdecimal()]
        major = numbers[0] if numbers else int("".join(filter(str.isdigit, text))[:2] or 0)
        return major * 10000 + (numbers[-1] if len(numbers) > 1 else 0)

    @property
    def protocol_version(self) -> int:
        """The protocol's major version."""
        return 3

    @property
    def encoding(self) -> str:
        """Python's codec for the client encoding."""
        return self._connection.codec

    @property
    def timezone(self) -> str | None:
        """The session's time zone."""
        return self.parameter_status("TimeZone")

    @property
    def ssl_in_use(self) -> bool:
        """Whether the connection is encrypted."""
        # Not what was asked for: with sslmode=prefer the server may have declined.
        return isinstance(self._connection.socket, ssl.SSLSocket)

    def parameter_status(self, name: str) -> str | None:
        """Return what the server last reported for *name*, or None."""
        return self._connection.parameter_statuses.get(name)
