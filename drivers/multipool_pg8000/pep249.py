"""PEP 249's type objects and constructors."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final

from multipool_pg8000 import oids


class DBAPIType:
    """A kind of column: equal to the type codes that are of that kind."""

    def __init__(self, name: str, *codes: int) -> None:
        self.name = name
        self.values = frozenset(codes)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DBAPIType):
            return self.values == other.values
        return other in self.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __repr__(self) -> str:
        return f"<type {self.name}>"


_NAME: Final = 19
_CHAR: Final = 18

STRING: Final = DBAPIType("STRING", oids.TEXT, oids.VARCHAR, oids.BPCHAR, _NAME, _CHAR)
BINARY: Final = DBAPIType("BINARY", oids.BYTEA)
NUMBER: Final = DBAPIType("NUMBER", *oids.NUMBERS)
DATETIME: Final = DBAPIType(
    "DATETIME",
    oids.DATE,
    oids.TIME,
    oids.TIMETZ,
    oids.TIMESTAMP,
    oids.TIMESTAMPTZ,
    oids.INTERVAL,
)
ROWID: Final = DBAPIType("ROWID", oids.OID)

Date = date
Time = time
Timestamp = datetime
Binary = bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802  # PEP 249's name
    """Return the local date at *ticks* seconds after the epoch."""
    return date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> time:  # noqa: N802  # PEP 249's name
    """Return the local time of day at *ticks* seconds after the epoch."""
    return datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802  # PEP 249's name
    """Return the local date and time at *ticks* seconds after the epoch."""
    return datetime.fromtimestamp(ticks)
