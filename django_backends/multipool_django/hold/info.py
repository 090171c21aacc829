"""What a driver tells of a connection, where there is none yet or another one each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multipool_django.hold.connection import OnDemandConnection

#: What is the same of all connections of a pool.
_SAME_OF_ALL: Final = frozenset(["dbname", "host", "hostaddr", "port", "server_version", "user"])


class ConnectionInfo:
    """Stands for the driver's ``connection.info``.

    What is the same of all connections is told of any. For the rest the connection stays (see
    `OnDemandConnection`).
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: OnDemandConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols that nobody means to be the driver's
            raise AttributeError(name)
        if name in _SAME_OF_ALL:
            return self._connection.told(name)
        return getattr(self._connection.unwrap().info, name)
