"""Cancelling a running query, over a connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multipool_pg8000 import messages
from multipool_pg8000.errors import OperationalError

if TYPE_CHECKING:
    from multipool_pg8000.connecting import Address

# The server answers a cancel request by closing; waiting longer would gain nothing.
_SECONDS = 10.0


def cancel(address: Address, pid: int, secret: bytes) -> None:
    """Ask the server at *address* to cancel what its process *pid* runs.

    Encrypted if the connection is. Returns when the server has taken the request; what it
    cancelled, if anything, the query's own thread learns. Raises `OperationalError`.
    """
    try:
        sock = address.open(_SECONDS)
        try:
            sock.sendall(messages.cancel_request(pid, secret))
            while sock.recv(64):
                pass  # until the server has closed: then the request is on its way
        finally:
            sock.close()
    except OSError as error:
        raise OperationalError(f"the cancel request could not be sent: {error}") from error
