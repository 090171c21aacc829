"""What the parts of the suite share: fixtures, flags, and the SQL they send."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from multipool.driver import Driver

LOOPBACK = "127.0.0.1"


class Suite:
    """The adapter under test, and what it declares about itself and its database."""

    #: The adapter under test.
    driver: ClassVar[Driver]
    #: Where to connect: a DSN or parameters. The role may end its own sessions.
    params: ClassVar[Mapping[str, Any] | str]

    # -- what there is; a test that is left out names the flag ----------------------

    #: Connections are sockets: they have a descriptor, can be killed and can hang.
    network: ClassVar[bool] = True
    #: Parameters are libpq's, and so are DSNs.
    libpq: ClassVar[bool] = True
    #: A connection stands in no reference cycle, so it goes with its last reference.
    acyclic: ClassVar[bool] = True
    #: An error aborts the transaction, until it is rolled back.
    aborts: ClassVar[bool] = True
    #: There are tables: without, only the status of transactions is looked at.
    tables: ClassVar[bool] = True
    #: A session has settings, which SET changes, and the server reports some of them.
    settings: ClassVar[bool] = True
    #: LISTEN and NOTIFY.
    notifications: ClassVar[bool] = True
    #: A running query can be cancelled.
    cancellation: ClassVar[bool] = True
    #: Errors carry an SQLSTATE.
    sqlstates: ClassVar[bool] = True

    # -- what is sent ----------------------------------------------------------------

    #: Gives one row with the number 1.
    select: ClassVar[str] = "select 1"
    #: Leaves a transaction open, where autocommit is off and none is open yet.
    opening: ClassVar[str] = "select 1"
    #: Gives its one parameter back, a string.
    echo: ClassVar[str] = "select %s"
    #: Begins a transaction by hand, on a connection in autocommit.
    begin: ClassVar[str] = "begin"
    #: Fails on the server, with this SQLSTATE.
    wrong: ClassVar[str] = "select 1/0"
    wrong_sqlstate: ClassVar[str] = "22012"
    #: Runs for 30 seconds.
    slow: ClassVar[str] = "select pg_sleep(30)"
    #: Is refused inside of a transaction.
    outside: ClassVar[str] = "discard all"

    #: Attributes of a connection that its borrower may set, each with another value than
    #: a new connection's: `Driver.restore` puts them back.
    client_settings: ClassVar[Mapping[str, Any]] = {"autocommit": True}

    def needs(self, flag: str) -> None:
        """Leave the present test out, naming *flag*, if the driver declares it False."""
        if not getattr(self, flag):
            pytest.skip(f"{type(self).__name__} declares {flag} = False")

    #: What a borrower may leave in a session, by a name for it: the statement that leaves it, and
    #: a query whose rows tell whether it is there, and which itself touches nothing.
    leavings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "advisory lock": (
            "select pg_advisory_lock_shared(20052)",
            "select count(*) from pg_locks where objid = 20052 and pid = pg_backend_pid()",
        ),
        "cursor with hold": (
            "declare multipool_left cursor with hold for select 1",
            "select count(*) from pg_cursors where name = 'multipool_left'",
        ),
        "listen": ("listen multipool_left", "select count(*) from pg_listening_channels()"),
        "prepared statement": (
            "prepare multipool_left as select 1",
            "select count(*) from pg_prepared_statements where name = 'multipool_left'",
        ),
        # One's own, since to be another takes a right.
        "role": (
            "select set_config('role', session_user, false)",
            "select current_setting('role')",
        ),
        "setting": ("set work_mem to '1234kB'", "show work_mem"),
        "temporary table": (
            "create temporary table multipool_left (n integer)",
            "select count(*) from pg_class where oid = to_regclass('multipool_left')",
        ),
    }

    # -- fixtures ------------------------------------------------------------------------

    @pytest.fixture
    def target(self) -> dict[str, Any]:
        """The parameters to connect with; override it where they come from a fixture."""
        if isinstance(self.params, str):
            return self.driver.parse_dsn(self.params)
        return dict(self.params)

    @pytest.fixture
    def connect(self, target: dict[str, Any]) -> Iterator[Callable[[], Any]]:
        """A function that opens a connection, closed at the end of the test."""
        opened: list[Any] = []

        def connect() -> Any:
            conn = self.driver.connect(target, timeout=10)
            opened.append(conn)
            return conn

        yield connect
        for conn in opened:
            self.driver.close(conn)

    @pytest.fixture
    def conn(self, connect: Callable[[], Any]) -> Any:
        """A new connection."""
        return connect()

    # -- helpers, to be overridden where a driver or a database has other ways --------

    def fetch(self, conn: Any, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run *sql* as a user of the driver does, and return its rows."""
        cursor = conn.cursor()
        try:
            cursor.execute(sql, *([parameters] if parameters else []))
            rows: list[Any] = cursor.fetchall()
            return rows
        finally:
            cursor.close()

    def run(self, conn: Any, sql: str) -> None:
        """Run *sql* as a user of the driver does, whatever comes of it."""
        cursor = conn.cursor()
        try:
            cursor.execute(sql)
        finally:
            cursor.close()

    def show(self, conn: Any, name: str) -> Any:
        """Return the server's value of a setting, and leave no transaction open."""
        value = self.fetch(conn, f"show {name}")[0][0]
        self.driver.rollback(conn)
        return value

    def terminate(self, conn: Any, by: Any) -> None:
        """Let the server end the session of *conn*, at the request of the connection *by*."""
        pid = self.driver.backend_pid(conn)
        assert self.fetch(by, f"select pg_terminate_backend({pid})") == [(True,)]
        self.driver.rollback(by)

    def sessions(self, name: str, by: Any) -> int:
        """Return how many sessions of that ``application_name`` there are; *by* asks."""
        sql = "select count(*) from pg_stat_activity where application_name = %s"
        count: int = self.fetch(by, sql, [name])[0][0]
        self.driver.rollback(by)
        return count

    def payloads(self, conn: Any) -> list[str]:
        """Return the payloads of the notifications that *conn* has read."""
        return [notification.payload for notification in conn.notifies]

    @contextmanager
    def nobody(self, target: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield parameters of a server that is not there: a connect is refused."""
        with socket.create_server((LOOPBACK, 0)) as listener:
            port = listener.getsockname()[1]
        yield {**target, "host": LOOPBACK, "port": str(port)}

    @contextmanager
    def refusal(self, target: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield parameters that the server refuses, and will refuse again."""
        yield {**target, "dbname": "multipool_there_is_no_such_database"}

    @contextmanager
    def silence(self, target: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield parameters of a server that never answers."""
        with socket.create_server((LOOPBACK, 0)) as listener:
            yield {**target, "host": LOOPBACK, "port": str(listener.getsockname()[1])}
