"""A small HTTP server for the dashboard, from the standard library."""

from __future__ import annotations

import socket
import sys
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from multipool.errors import PoolError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


class DashboardServer(ThreadingMixIn, WSGIServer):
    """Serves each connection by a thread of its own."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke, or on which nothing was asked.

        Browsers open some in advance.
        """
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where it listens, as it stands in a URL."""
        host, port = self.server_address[:2]
        named = str(host)
        return f"[{named}]:{port}" if ":" in named else f"{named}:{port}"


class _IPv6Server(DashboardServer):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    #: Seconds until a connection that says nothing is closed.
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as in http.server
        """Say nothing: a page that refreshes itself would fill any log."""

    def address_string(self) -> str:
        """Return the address; its name would be asked of a name server for each request."""
        return str(self.client_address[0])


def listen(host: str, port: int, application: WSGIApplication | None = None) -> DashboardServer:
    """Return a server that listens; raises `PoolError` if it cannot.

    Without an *application* it is given one by ``set_app`` before it serves; until then who asks
    waits.
    """
    kind = _IPv6Server if ":" in host else DashboardServer
    try:
        server = kind((host, port), _Handler)
    except OSError as error:
        reason = error.strerror or error
        raise PoolError(f"cannot listen on host {host!r}, port {port}: {reason}") from error
    except UnicodeError as error:
        raise PoolError(f"cannot listen on host {host!r}: that is no host's name") from error
    if application is not None:
        server.set_app(application)
    return server
