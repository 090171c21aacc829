"""Everything of pg8000 that is not its public face, in one place.

pg8000 sends the startup packet, authenticates (with SCRAM's channel binding over TLS) and
closes; `Link` is its core connection with what stands in the way taken out. The names used
here were read in pg8000 1.31.6; the test that checks them says which one moved.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

from pg8000 import core, dbapi

__all__ = ["ATTRIBUTES", "METHODS", "Link", "core", "dbapi"]

#: What we use or override of `pg8000.core.CoreConnection`; a test holds them present.
METHODS: Final = (
    "handle_AUTHENTICATION_REQUEST",
    "handle_BACKEND_KEY_DATA",
    "handle_ERROR_RESPONSE",
    "handle_NOTICE_RESPONSE",
    "handle_NOTIFICATION_RESPONSE",
    "handle_PARAMETER_STATUS",
    "handle_READY_FOR_QUERY",
)

#: The attributes that `pg8000.core.CoreConnection.__init__` sets and that we use or drop.
ATTRIBUTES: Final = (
    "message_types",
    "notices",
    "notifications",
    "parameter_statuses",
    "password",
    "pg_types",
    "py_types",
    "_backend_key_data",
    "_caches",
    "_sock",
    "_statement_nums",
    "_usock",
)


_SASL: Final = 10


class Link(core.CoreConnection):
    """pg8000's connection, as far as it takes to be let in by the server.

    It must be given an open socket of `transport`, TLS included. After `__init__` nothing
    in it refers back to it, so that dropping the last reference ends it at once.
    """

    parameter_statuses: dict[str, str]

    # A connection that failed to be made is closed too, wherever it failed.
    _sock: Any = None
    _usock: Any = None

    def __init__(
        self,
        sock: socket.socket | ssl.SSLSocket,
        user: str,
        password: str | None,
        startup: Mapping[str, str],
    ) -> None:
        """Send the startup packet and authenticate.

        Raises OSError, or whatever `handle_ERROR_RESPONSE` makes of the server's refusal.
        """
        settings = dict(startup)
        super().__init__(
            user,
            sock=sock,
            password=password,
            ssl_context=False,
            # pg8000 wants these three by name.
            database=settings.pop("database", None),
            application_name=settings.pop("application_name", None),
            replication=settings.pop("replication", None),
            startup_params=settings,
        )
        # The dispatch table holds bound methods, the SCRAM client holds the socket and the
        # password: cycles and secrets that have no use any more.
        self.message_types.clear()
        self.password = None
        self.__dict__.pop("auth", None)
        for name in ("pg_types", "py_types", "_caches", "_statement_nums", "notifications"):
            del self.__dict__[name]

    def handle_AUTHENTICATION_REQUEST(  # noqa: N802  # pg8000's name
        self, data: bytes, context: core.Context
    ) -> None:
        """Answer the server, with a clear error where pg8000 would trip over a missing password."""
        method = int.from_bytes(data[:4], "big")
        if method == _SASL and self.password is None:
            raise core.InterfaceError("the server asks for a password, and none was supplied")
        try:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        except core.scramp.ScramException as error:
            raise core.InterfaceError(f"SCRAM authentication failed: {error}") from error

    @property
    def key_data(self) -> tuple[int, bytes]:
        """The server process's id, and the secret that cancels its query."""
        data: bytes = self._backend_key_data or bytes(8)
        return int.from_bytes(data[:4], "big"), data[4:]

    @property
    def socket(self) -> Any:
        """The socket, or None once closed."""
        return self._usock
