"""The `Driver` that multipool's pool speaks to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Final

from multipool import conninfo
from multipool.connecting import with_keepalive
from multipool.driver import Driver
from multipool.errors import PoolError
from multipool.failures import judge
from multipool.session import note_names, read_configured, reset_sql
from multipool_pg8000 import connecting, errors, messages
from multipool_pg8000 import params as libpq
from multipool_pg8000.connection import Connection
from multipool_pg8000.cursor import Cursor
from multipool_pg8000.literals import identifier, quote
from multipool_pg8000.load import usual_loaders
from multipool_pg8000.results import Columns, RawLoader
from multipool_pg8000.wire import Wire


class _PlainCursor(Cursor):
    """One of which text is text, whatever it is to the user of its connection."""

    def _find_loaders(self, columns: Columns) -> Sequence[RawLoader]:
        return usual_loaders(columns, self.connection.codec)


class Pg8000Driver(Driver):
    """multipool's driver contract, fulfilled for pg8000."""

    name: ClassVar[str] = "pg8000"
    Error: ClassVar[type[Exception]] = errors.Error
    InterfaceError: ClassVar[type[Exception]] = errors.InterfaceError
    DatabaseError: ClassVar[type[Exception]] = errors.DatabaseError
    OperationalError: ClassVar[type[Exception]] = errors.OperationalError

    def check_params(self, params: Mapping[str, Any]) -> None:
        libpq.check(params)

    def connect(self, params: Mapping[str, Any], timeout: float | None) -> Connection:
        return connecting.connect(libpq.settings(with_keepalive(params)), timeout)

    def close(self, conn: Connection) -> None:
        # Not conn.close(), which gives a leased connection back to its pool.
        Wire.close(conn)

    def abandon(self, conn: Connection) -> None:
        conn.hang_up()

    # In C, in the place of a method, which would cost more than it. To mypy that is none.
    status = staticmethod(attrgetter("state"))  # type: ignore[assignment]

    def fileno(self, conn: Connection) -> int:
        sock = conn.socket
        return -1 if sock is None else int(sock.fileno())

    def drain(self, conn: Connection) -> bool:
        return conn.drain()

    def rollback(self, conn: Connection) -> None:
        _refuse_prepared(conn)
        if conn.tpc_xid is not None:
            conn.tpc_rollback()
        else:
            conn.rollback()

    def is_behind(self, conn: Connection) -> bool:
        return conn._tpc is not None

    def commit(self, conn: Connection) -> None:
        conn.commit()

    def cancel(self, conn: Connection) -> None:
        conn.cancel()

    def execute(self, conn: Connection, sql: str) -> None:
        note_names(conn, sql)
        conn.exchange(messages.query(sql.encode(conn.codec)), statements=[sql])

    asks: ClassVar[bool] = True

    def ask(self, conn: Connection, sql: str, *values: str) -> str | None:
        autocommit, conn.autocommit = conn.autocommit, True
        try:
            with _PlainCursor(conn) as cursor:
                cursor.execute(sql, values)
                row = cursor.fetchone()
        finally:
            if not conn.closed:
                conn.autocommit = autocommit
        return row[0] if row else None

    def set_parameter(self, conn: Connection, name: str, value: str) -> None:
        # A setting's name may have two parts, as in myapp.tenant.
        quoted = ".".join(map(identifier, name.split(".")))
        self.execute(conn, f"SET SESSION {quoted} TO {quote(value)}")

    def remember(self, conn: Connection, configured: bool = False) -> Any:
        on_server: list[tuple[str, str]] = []
        if configured:
            autocommit, conn.autocommit = conn.autocommit, True
            with _PlainCursor(conn) as cursor:
                cursor.execute(read_configured(conn))
                on_server = cursor.fetchall()
            conn.autocommit = autocommit
        return conn.client_settings(), on_server

    def restore(self, conn: Connection, settings: Any) -> None:
        _refuse_prepared(conn)
        conn.restore_client_settings(settings[0])

    def reset(self, conn: Connection, settings: Any) -> None:
        self.execute(conn, reset_sql(settings[1]))

    def parameter_status(self, conn: Connection, name: str) -> str | None:
        return conn.get_parameter_status(name)

    def backend_pid(self, conn: Connection) -> int | None:
        return conn.get_backend_pid() or None

    prepares: ClassVar[bool] = True

    def use_plans(self, conn: Connection, shelf: Any) -> None:
        conn._multipool_shelf = shelf

    def observe(self, conn: Connection, sight: Any) -> None:
        conn._multipool_sight = sight

    def sqlstate(self, error: BaseException) -> str | None:
        return error.sqlstate if isinstance(error, errors.Error) else None

    def failure(self, error: BaseException) -> str:
        # With the severity in front, as it is in libpq's own words.
        words = error.pgerror if isinstance(error, errors.Error) else None
        return judge(self.sqlstate(error), words or str(error))


def _refuse_prepared(conn: Connection) -> None:
    if conn.in_prepared_transaction:
        raise PoolError(f"a transaction was left prepared, xid {str(conn.tpc_xid)!r}")


def connect(dsn: str | None = None, **kwargs: Any) -> Connection:
    """Return a connection of its own, without a pool.

    Args:
        dsn: a libpq URI or ``key=value`` string; keyword arguments come before it.
        **kwargs: libpq's parameters, and `multipool_pg8000.params.OWN`.

    Raises `PoolConfigError` for a parameter that is wrong, `OperationalError` if no server
    lets us in.
    """
    given = {**(conninfo.parse(dsn) if dsn else {}), **kwargs}
    return connecting.connect(libpq.settings(given))


#: The one object that serves every pool of the process.
driver: Final = Pg8000Driver()
