"""What a driver tells of a connection, where there is none yet or another one each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multipool_django.hold.connection import OnDemandConnection

#: What is the same of all connections of a pool.
_SAME_OF_ALL: Final = frozenset(["dbname", "host", "hostaddr", "port", "server_version", "user"])


class ConnectionInfo:
    """Stands for the driver's ``connection.info``.

    What is the same of all connections is told of any, and the transaction's status of none where
    none is held. For the rest the connection stays (see `OnDemandConnection`).
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: OnDemandConnection) -> None:
        self._connection = connection

    @property
    def transaction_status(self) -> Any:
        """The transaction's status, as the driver has it."""
        status = self._connection._transaction_status()
        pq = getattr(self._connection._database, "pq", None)  # psycopg's, which has names for it
        return status if pq is None else pq.TransactionStatus(status)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols that nobody means to be the driver's
            raise AttributeError(name)
        return self._connection.told(name, binds=name not in _SAME_OF_ALL)
