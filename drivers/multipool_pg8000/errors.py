"""What the adapter raises: PEP 249's classes, and one subclass for each SQLSTATE.

Each PEP 249 class is also pg8000's class of the same name, so that existing ``except``
clauses go on working. Which of them an SQLSTATE belongs to is psycopg2's choice
(``exception_from_sqlstate`` in its ``pqpath.c``), so that one program reads the same on
either driver. `lookup` and ``errors.UniqueViolation`` give the subclasses, as in
``psycopg2.errors``.
"""

from __future__ import annotations

from functools import lru_cache

from multipool_pg8000.diagnostics import Diagnostics
from multipool_pg8000.internals import dbapi
from multipool_pg8000.sqlstates import NAMES


class Warning(dbapi.Warning):  # noqa: A001  # PEP 249's name
    """Required by PEP 249; never raised."""

    __module__ = "multipool_pg8000"


class Error(dbapi.Error):
    """Base of all errors of the adapter."""

    __module__ = "multipool_pg8000"

    #: The SQLSTATE, or None where the error is not the server's.
    sqlstate: str | None = None
    #: The server's message with its severity, or None.
    pgerror: str | None = None
    _diag: Diagnostics | None = None

    @property
    def pgcode(self) -> str | None:
        """psycopg2's name for `sqlstate`."""
        return self.sqlstate

    @property
    def diag(self) -> Diagnostics:
        """What the server said, field by field; all None where the error is not its own."""
        return self._diag or Diagnostics({})


class InterfaceError(Error, dbapi.InterfaceError):
    """The driver was used wrongly: a closed connection or cursor, for instance."""

    __module__ = "multipool_pg8000"


class DatabaseError(Error, dbapi.DatabaseError):
    """Base of what has to do with the database."""

    __module__ = "multipool_pg8000"


class DataError(DatabaseError, dbapi.DataError):
    """A value is out of range, or cannot be held by the type."""

    __module__ = "multipool_pg8000"


class OperationalError(DatabaseError, dbapi.OperationalError):
    """The connection, the server or its resources failed."""

    __module__ = "multipool_pg8000"


class IntegrityError(DatabaseError, dbapi.IntegrityError):
    """A constraint was violated."""

    __module__ = "multipool_pg8000"


class InternalError(DatabaseError, dbapi.InternalError):
    """The server is in a state that does not allow this, such as a failed transaction."""

    __module__ = "multipool_pg8000"


class ProgrammingError(DatabaseError, dbapi.ProgrammingError):
    """The statement, or the way it was sent, is wrong."""

    __module__ = "multipool_pg8000"


class NotSupportedError(DatabaseError, dbapi.NotSupportedError):
    """The server or the driver does not offer this."""

    __module__ = "multipool_pg8000"


_BY_CLASS: dict[str, type[DatabaseError]] = {
    "0A": NotSupportedError,
    "08": OperationalError,
    "20": ProgrammingError,
    "21": ProgrammingError,
    "22": DataError,
    "23": IntegrityError,
    "24": InternalError,
    "25": InternalError,
    "26": OperationalError,
    "27": OperationalError,
    "28": OperationalError,
    "2B": InternalError,
    "2D": InternalError,
    "2F": InternalError,
    "34": OperationalError,
    "38": InternalError,
    "39": InternalError,
    "3B": InternalError,
    "3D": ProgrammingError,
    "3F": ProgrammingError,
    "40": OperationalError,
    "42": ProgrammingError,
    "44": ProgrammingError,
    "53": OperationalError,
    "54": OperationalError,
    "55": OperationalError,
    "57": OperationalError,
    "58": OperationalError,
    "F0": InternalError,
    "HV": OperationalError,
    "P0": InternalError,
    "XX": InternalError,
}


@lru_cache(maxsize=1024)
def class_of(sqlstate: str) -> type[DatabaseError]:
    """Return the class for *sqlstate*; for a code PostgreSQL does not list, its PEP 249 class."""
    base = _BY_CLASS.get(sqlstate[:2], DatabaseError)
    name = NAMES.get(sqlstate)
    if name is None:
        return base
    return type(name, (base,), {"__module__": __name__, "sqlstate": sqlstate})


def lookup(sqlstate: str) -> type[DatabaseError]:
    """Return the class for *sqlstate*, as ``psycopg2.errors.lookup``.

    Raises KeyError for a code that PostgreSQL does not list.
    """
    if sqlstate not in NAMES:
        raise KeyError(sqlstate)
    return class_of(sqlstate)


def from_server(fields: dict[str, str], statement: str | None = None) -> DatabaseError:
    """Return the error for an ErrorResponse's *fields*; *statement* is what was sent."""
    diag = Diagnostics(fields)
    error = class_of(diag.sqlstate or "")(diag.message(statement))
    error.sqlstate = diag.sqlstate
    error.pgerror = f"{diag.severity}:  {error}"
    error._diag = diag
    return error


_CODES = {name: code for code, name in NAMES.items()}


def __getattr__(name: str) -> type[DatabaseError]:
    code = _CODES.get(name)
    if code is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return class_of(code)
