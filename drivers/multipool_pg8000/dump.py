"""Python's types on their way to the server: their PostgreSQL type and its text form."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Final
from uuid import UUID

from multipool_pg8000 import oids, ranges
from multipool_pg8000.adapters import Adapters, Dumper
from multipool_pg8000.errors import DataError
from multipool_pg8000.literals import literal, refuse_nul
from multipool_pg8000.values import NULL, Dumped, Inline, Typed
from multipool_pg8000.wrappers import Inet, Json, Jsonb

_INT4: Final = 2**31
_INT8: Final = 2**63

# The numeric types in the order in which one holds the values of those before it.
_WIDENING: Final = (oids.INT4, oids.INT8, oids.NUMERIC, oids.FLOAT8)

# What needs no quotes inside an array or a range.
_PLAIN: Final = re.compile(r"[\w.+:-]+\Z", re.ASCII)


def _none(value: None, adapters: Adapters) -> Dumped:
    return NULL


def _str(value: str, adapters: Adapters) -> Dumped:
    # str.__str__: an enum's own would give its name. The type is left to the server, as for
    # a literal in quotes.
    text = str.__str__(value)
    refuse_nul(text)
    return Typed(oids.UNKNOWN, text)


def _bool(value: bool, adapters: Adapters) -> Dumped:
    return Typed(oids.BOOL, "true" if value else "false")


def _int(value: int, adapters: Adapters) -> Dumped:
    if -_INT4 <= value < _INT4:
        oid = oids.INT4
    elif -_INT8 <= value < _INT8:
        oid = oids.INT8
    else:
        oid = oids.NUMERIC
    return Typed(oid, int.__repr__(value))


def _float(value: float, adapters: Adapters) -> Dumped:
    if math.isfinite(value):
        return Typed(oids.FLOAT8, float.__repr__(value))
    if math.isnan(value):
        return Typed(oids.FLOAT8, "NaN")
    return Typed(oids.FLOAT8, "Infinity" if value > 0 else "-Infinity")


def _decimal(value: Decimal, adapters: Adapters) -> Dumped:
    return Typed(oids.NUMERIC, "NaN" if value.is_nan() else str(value))


def _bytes(value: bytes | bytearray | memoryview, adapters: Adapters) -> Dumped:
    return Typed(oids.BYTEA, "\\x" + value.hex())


def _datetime(value: datetime, adapters: Adapters) -> Dumped:
    oid = oids.TIMESTAMP if value.tzinfo is None else oids.TIMESTAMPTZ
    return Typed(oid, value.isoformat(" "))


def _date(value: date, adapters: Adapters) -> Dumped:
    return Typed(oids.DATE, value.isoformat())


def _time(value: time, adapters: Adapters) -> Dumped:
    if value.tzinfo is None:
        return Typed(oids.TIME, value.isoformat())
    if value.utcoffset() is None:
        raise DataError("a time whose zone depends on the date cannot be sent")
    return Typed(oids.TIMETZ, value.isoformat())


def _timedelta(value: timedelta, adapters: Adapters) -> Dumped:
    return Typed(
        oids.INTERVAL, f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds"
    )


def _as_str(oid: int) -> Dumper:
    """Return a dumper for a type whose `str` is what PostgreSQL reads."""

    def dump(value: object, adapters: Adapters) -> Dumped:
        return Typed(oid, str(value))

    return dump


def _json(oid: int) -> Dumper:
    def dump(value: Json, adapters: Adapters) -> Dumped:
        text = value.text
        refuse_nul(text)
        return Typed(oid, text)

    return dump


def _tuple(value: tuple[Any, ...], adapters: Adapters) -> Dumped:
    """Return what stands after ``IN``, as psycopg2 does."""
    return Inline("(" + ", ".join(literal(adapters.dump(item)) for item in value) + ")")


def _list(value: list[Any], adapters: Adapters) -> Dumped:
    found: set[tuple[int, str | None]] = set()
    text = _array(value, adapters, found)
    oid, cast = _common_type(found)
    return Typed(oid, text, cast)


def _array(value: list[Any], adapters: Adapters, found: set[tuple[int, str | None]]) -> str:
    """Return an array's text; add its elements' types to *found*."""
    pieces = []
    for item in value:
        if isinstance(item, list):
            pieces.append(_array(item, adapters, found))
            continue
        dumped = adapters.dump(item)
        if isinstance(dumped, Typed):
            found.add((dumped.oid, dumped.cast))
            pieces.append(_quoted(dumped.text))
        elif dumped == NULL:
            pieces.append("NULL")
        else:
            raise DataError(f"a {type(item).__name__} cannot be an element of an array")
    return "{" + ",".join(pieces) + "}"


def _common_type(found: set[tuple[int, str | None]]) -> tuple[int, str | None]:
    """Return the OID, and the name where it is needed, of an array of elements of these types.

    Zero, which leaves the type to the server, where there is no telling.
    """
    kinds = {oid for oid, _ in found}
    if kinds and kinds <= set(_WIDENING):
        return oids.ARRAY_OF[max(kinds, key=_WIDENING.index)], None
    if len(found) != 1:
        return oids.UNKNOWN, None
    ((oid, cast),) = found
    return oids.ARRAY_OF.get(oid, oids.UNKNOWN), f"{cast}[]" if cast else None


def _quoted(text: str) -> str:
    if _PLAIN.match(text) and text.upper() != "NULL":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _range(oid: int) -> Callable[[ranges.Range, Adapters], Dumped]:
    def dump(value: ranges.Range, adapters: Adapters) -> Dumped:
        if value.isempty:
            return Typed(oid, "empty")
        lower, upper = (_limit(limit, adapters) for limit in (value.lower, value.upper))
        opening = "[" if value.lower_inc else "("
        closing = "]" if value.upper_inc else ")"
        return Typed(oid, f"{opening}{lower},{upper}{closing}")

    return dump


def _limit(value: Any, adapters: Adapters) -> str:
    dumped = adapters.dump(value)
    if isinstance(dumped, Typed):
        return _quoted(dumped.text)
    if dumped == NULL:
        return ""
    raise DataError(f"a {type(value).__name__} cannot be the limit of a range")


def register(adapters: Adapters) -> None:
    """Register the dumpers of all types known here on *adapters*."""
    dumpers: Iterable[tuple[type, Any]] = (
        (type(None), _none),
        (str, _str),
        (bool, _bool),
        (int, _int),
        (float, _float),
        (Decimal, _decimal),
        (bytes, _bytes),
        (bytearray, _bytes),
        (memoryview, _bytes),
        (datetime, _datetime),
        (date, _date),
        (time, _time),
        (timedelta, _timedelta),
        (UUID, _as_str(oids.UUID)),
        (Inet, _as_str(oids.INET)),
        (IPv4Address, _as_str(oids.INET)),
        (IPv6Address, _as_str(oids.INET)),
        (IPv4Interface, _as_str(oids.INET)),
        (IPv6Interface, _as_str(oids.INET)),
        (IPv4Network, _as_str(oids.CIDR)),
        (IPv6Network, _as_str(oids.CIDR)),
        (Json, _json(oids.JSON)),
        (Jsonb, _json(oids.JSONB)),
        (tuple, _tuple),
        (list, _list),
        # Which range a number makes is not to be told from it: the server knows the column.
        (ranges.NumericRange, _range(oids.UNKNOWN)),
        (ranges.Range, _range(oids.UNKNOWN)),
        (ranges.DateRange, _range(oids.DATERANGE)),
        (ranges.DateTimeRange, _range(oids.TSRANGE)),
        (ranges.DateTimeTZRange, _range(oids.TSTZRANGE)),
    )
    for cls, dumper in dumpers:
        adapters.register_dumper(cls, dumper)
