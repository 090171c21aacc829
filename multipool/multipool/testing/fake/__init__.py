"""A driver and its server in memory, whose failures and delays are scripted.

Most tests of a pool need no database, and those about exact timing want none::

    driver = FakeDriver()
    pool = Pool({}, driver=driver)
    driver.server.once("connect", Raise(OperationalError("no route to host")))
    gate = driver.server.once("rollback", Hang())

The connections and cursors are PEP 249's, each connection has a real socket to sleep on,
and what the server knows of SQL is said in `sql`. That a pool ships the fake its own
tests use is httpcore's habit.
"""

from multipool.testing.fake.connection import FakeConnection, FakeCursor
from multipool.testing.fake.driver import FakeDriver
from multipool.testing.fake.errors import (
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from multipool.testing.fake.script import Action, Call, Hang, Raise, Sleep
from multipool.testing.fake.server import Backend, FakeServer

__all__ = [
    "Action",
    "Backend",
    "Call",
    "DatabaseError",
    "Error",
    "FakeConnection",
    "FakeCursor",
    "FakeDriver",
    "FakeServer",
    "Hang",
    "InterfaceError",
    "OperationalError",
    "ProgrammingError",
    "Raise",
    "Sleep",
]
