"""What a statement brings back, and reading its rows fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple

from multipool_pg8000 import oids

#: Makes a value out of a column's bytes.
RawLoader = Callable[[bytes], Any]
#: What is known of the columns of a result.
Columns = tuple["Column", ...]
#: Gives each column its loader.
FindLoaders = Callable[[Columns], Sequence[RawLoader]]


class Shape(NamedTuple):
    """What is known of a result before it is there."""

    #: None for that of a statement that returns no rows.
    columns: Columns | None
    loaders: Sequence[RawLoader]


_NUMBER: Final = Struct("!i").unpack_from
_FIELD: Final = Struct("!IhIhih").unpack_from
_DATA_ROW: Final = ord("D")
_SMALLEST_ROW: Final = 7

# How the answer to what is parsed already begins, and the ReadyForQuery at the end of each.
BOUND: Final = b"2\0\0\0\x04"
_READY: Final = b"Z\0\0\0\x05"
_READY_SIZE: Final = 6
_COMPLETE: Final = b"C"
_LONGEST_END: Final = 64


class Column(tuple[str, int, None, "int | None", "int | None", "int | None", None]):
    """PEP 249's seven items on a column, by name too, and where the column comes from."""

    name: str
    type_code: int
    display_size: None
    internal_size: int | None
    precision: int | None
    scale: int | None
    null_ok: None
    #: The table's OID and the column's number in it, or None for an expression.
    table_oid: int | None
    table_column: int | None

    def __new__(cls, name: str, table: int, number: int, oid: int, size: int, mod: int) -> Column:
        precision = scale = None
        if mod > 0:
            mod -= 4  # the modifier counts the length word of a variable-length value
        if oid == oids.NUMERIC and mod >= 0:
            precision, scale = mod >> 16, mod & 0xFFFF
        internal = size if size >= 0 else (precision if precision is not None else mod)
        self = super().__new__(cls, (name, oid, None, internal, precision, scale, None))
        self.name, self.type_code, self.display_size, self.null_ok = name, oid, None, None
        self.internal_size, self.precision, self.scale = internal, precision, scale
        self.table_oid, self.table_column = table or None, number or None
        return self

    def __repr__(self) -> str:
        return f"Column(name={self.name!r}, type_code={self.type_code})"


@dataclass(slots=True)
class Result:
    """One statement's answer."""

    #: None for a statement that returns no rows.
    columns: Columns | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    #: The command tag, such as ``INSERT 0 1``.
    tag: str = ""
    #: Why a value could not be read; raised when rows are fetched, as psycopg2 does.
    failure: Exception | None = None

    @property
    def rowcount(self) -> int:
        """The number at the end of the tag, or -1."""
        return _count(self.tag)


@lru_cache(maxsize=256)
def _count(tag: str) -> int:
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdecimal() else -1


@lru_cache(maxsize=1024)
def parse_columns(body: bytes, encoding: str) -> Columns:
    """Return the columns in a RowDescription. Cached: a statement repeats its own."""
    columns = []
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        end = body.index(b"\0", at)
        name = str(body[at:end], encoding)
        table, number, oid, size, mod, _format = _FIELD(body, end + 1)
        columns.append(Column(name, table, number, oid, size, mod))
        at = end + 19
    return tuple(columns)


def take_rows(
    data: bytes, at: int, loaders: Sequence[RawLoader], append: Callable[[tuple[Any, ...]], None]
) -> int:
    """Append the rows that lie complete in *data* from *at* on; return where they end.

    Stops at the first message that is no DataRow, or is not complete. Raises whatever a
    loader raises. This loop is where the time of a bulk read goes: it calls nothing but
    the loaders, and they are looked up once per result.
    """
    end = len(data)
    last = end - _SMALLEST_ROW
    while at <= last and data[at] == _DATA_ROW:
        stop = at + 1 + _NUMBER(data, at + 1)[0]
        if stop > end:
            break
        at += 7
        row: list[Any] = []
        for load in loaders:
            (size,) = _NUMBER(data, at)
            at += 4
            if size < 0:
                row.append(None)
            else:
                row.append(load(data[at : at + size]))
                at += size
        append(tuple(row))
        at = stop
    return at


def take_whole(data: bytes, at: int, shape: Shape) -> tuple[Result, int] | None:
    """Return the result that *data* holds from *at* to its end, and the server's state after it.

    None where that is not all of the answer to one statement of this *shape*, or not the whole,
    or where a loader fails: whoever asks has to look more closely.
    """
    if not (data.startswith(_READY, len(data) - _READY_SIZE) and data.startswith(BOUND, at)):
        return None
    rows: list[tuple[Any, ...]] = []
    try:
        at = take_rows(data, at + len(BOUND), shape.loaders, rows.append)
    except Exception:
        return None
    end = _end(data[at:]) if len(data) - at <= _LONGEST_END else None
    return None if end is None else (Result(shape.columns, rows, end[0]), end[1])


@lru_cache(maxsize=256)
def _end(data: bytes) -> tuple[str, int] | None:
    """Return what a CommandComplete and a ReadyForQuery say, if *data* is no more than these."""
    if not data.startswith(_COMPLETE) or 1 + _NUMBER(data, 1)[0] + _READY_SIZE != len(data):
        return None
    return str(data[5 : -_READY_SIZE - 1], "ascii"), data[-1]
