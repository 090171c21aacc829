"""pg8000 for multipool: a complete PEP 249 face, and as few round trips as the protocol allows.

pg8000 is let in by the server (`internals`: start-up, authentication); from there on the
statements are our own. A reader finds

- where to connect: `params` (libpq's parameters), `files` (passwords, services), `tls`,
  `connecting`, `cancelling`;
- how a statement travels: `multipool.placeholders` (reading it), `binding` (which way it goes),
  `messages`, `wire` (sending and reading), `results` (rows);
- how values travel: `dump`, `literals`, `load`, `nested`, `ranges`, `wrappers`, and
  `adapters`, the registry of all of them;
- what a program holds: `connection`, `cursor`, `named`, `planned`, `copying`, `session`, `tpc`,
  `info`, `errors`;
- `adapter`: multipool's driver contract.

Threads may share the module and connections: a statement waits until the connection is
free. psycopg2's names and habits are kept throughout: ``%s`` and ``%(name)s``, BEGIN by
itself before the first statement unless ``autocommit``, `Connection` as a context manager
that ends the transaction and not the connection.
"""

from __future__ import annotations

from multipool_pg8000.adapter import Pg8000Driver, connect, driver
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.connection import Connection
from multipool_pg8000.cursor import Cursor
from multipool_pg8000.defaults import adapters
from multipool_pg8000.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004  # PEP 249's name
)
from multipool_pg8000.named import NamedCursor
from multipool_pg8000.nested import parse_array, parse_range
from multipool_pg8000.pep249 import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)
from multipool_pg8000.ranges import (
    DateRange,
    DateTimeRange,
    DateTimeTZRange,
    NumericRange,
    Range,
)
from multipool_pg8000.results import Column
from multipool_pg8000.session import IsolationLevel
from multipool_pg8000.tpc import Xid
from multipool_pg8000.values import Dumped, Inline, Typed
from multipool_pg8000.wire import Notify
from multipool_pg8000.wrappers import Inet, Json, Jsonb

#: PEP 249: the version of it, that connections may be shared, and how placeholders look.
apilevel = "2.0"
threadsafety = 2
paramstyle = "pyformat"

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Adapters",
    "Binary",
    "Column",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "DateRange",
    "DateTimeRange",
    "DateTimeTZRange",
    "Dumped",
    "Error",
    "Inet",
    "Inline",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "IsolationLevel",
    "Json",
    "Jsonb",
    "NamedCursor",
    "NotSupportedError",
    "Notify",
    "NumericRange",
    "OperationalError",
    "Pg8000Driver",
    "ProgrammingError",
    "Range",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Typed",
    "Warning",
    "Xid",
    "adapters",
    "apilevel",
    "connect",
    "driver",
    "paramstyle",
    "parse_array",
    "parse_range",
    "threadsafety",
]
