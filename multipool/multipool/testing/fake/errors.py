"""The PEP 249 errors of the fake driver, each with the SQLSTATE the server gave, if any."""

from __future__ import annotations


class Error(Exception):
    """Base of the fake driver's errors."""

    def __init__(self, message: str = "", sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class InterfaceError(Error):
    """The driver was misused: the connection is closed already, for one."""


class DatabaseError(Error):
    """The server said no, or nothing any more."""


class OperationalError(DatabaseError):
    """Not the program's doing: lost connections, refusals, cancelled queries."""


class ProgrammingError(DatabaseError):
    """The statement is wrong, or came at the wrong time."""
