import socket
import ssl
from typing import Any

from pg8000.exceptions import InterfaceError as InterfaceError

# pg8000's own dependency, for SCRAM authentication.
scramp: Any

class Context:
    error: Exception | None

class CoreConnection:
    user: bytes
    password: bytes | None
    notices: Any
    notifications: Any
    parameter_statuses: dict[str, str]
    message_types: dict[bytes, Any]
    _backend_key_data: bytes | None
    _client_encoding: str
    # What makefile() of the socket that was handed in returned.
    _sock: Any
    _usock: Any

    def __init__(
        self,
        user: str,
        host: str = ...,
        database: str | None = ...,
        port: int = ...,
        password: str | None = ...,
        source_address: tuple[str, int] | None = ...,
        unix_sock: str | None = ...,
        ssl_context: ssl.SSLContext | bool | None = ...,
        timeout: float | None = ...,
        tcp_keepalive: bool = ...,
        application_name: str | None = ...,
        replication: str | None = ...,
        startup_params: dict[str, str] | None = ...,
        sock: socket.socket | None = ...,
    ) -> None: ...
    def close(self) -> None: ...
    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Context) -> None: ...
    def handle_ERROR_RESPONSE(self, data: bytes, context: Context) -> None: ...
    def handle_NOTICE_RESPONSE(self, data: bytes, context: Context) -> None: ...
    def handle_NOTIFICATION_RESPONSE(self, data: bytes, context: Context) -> None: ...
    def handle_PARAMETER_STATUS(self, data: bytes, context: Context) -> None: ...
