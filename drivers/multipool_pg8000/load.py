"""PostgreSQL's types on their way back: the Python value of each column's text.

The Python types are psycopg2's, but for ``uuid``, which is a `uuid.UUID`. A value that
Python's type cannot hold (``infinity`` as a date, a year after 9999, 24:00) is a
`DataError` that names it by kind.
"""

from __future__ import annotations

import json
import re
from binascii import unhexlify
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final
from uuid import UUID

from multipool_pg8000 import oids
from multipool_pg8000.adapters import Adapters, Loader
from multipool_pg8000.errors import DataError
from multipool_pg8000.nested import parse_array, parse_range
from multipool_pg8000.ranges import DateRange, DateTimeRange, DateTimeTZRange, NumericRange, Range
from multipool_pg8000.results import Column, RawLoader

#: Makes the time zone of an aware value from its offset; None drops the zone.
TzFactory = Callable[[timedelta], tzinfo | None]

_INTERVAL: Final = re.compile(
    r"(?:(?P<years>[-+]?\d+) years? ?)?(?:(?P<months>[-+]?\d+) mons? ?)?"
    r"(?:(?P<days>[-+]?\d+) days? ?)?"
    r"(?:(?P<sign>[-+])?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+)(?:\.(?P<fraction>\d+))?)?",
    re.ASCII,
)
_ESCAPED_BYTE: Final = re.compile(rb"\\(?:\\|([0-3][0-7]{2}))")


def _bool(raw: bytes) -> bool:
    return raw == b"t"


def _bytea(raw: bytes) -> memoryview:
    if raw[:2] == b"\\x":
        return memoryview(unhexlify(raw[2:]))
    # bytea_output = escape
    return memoryview(
        _ESCAPED_BYTE.sub(lambda match: bytes([int(match[1], 8)]) if match[1] else b"\\", raw)
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _out_of_range("date") from None


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise _out_of_range("time") from None


def _timestamp(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _out_of_range("timestamp") from None


def _out_of_range(kind: str) -> DataError:
    return DataError(
        f"a {kind} from the server is beyond what Python's can hold (infinity, BC, a year"
        " after 9999, 24:00), or DateStyle is not ISO; cast it to text to read it"
    )


def _interval(text: str) -> timedelta:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise DataError(
            "an interval from the server is infinite, or IntervalStyle is not postgres;"
            " cast it to text to read it"
        )
    part = {name: int(value or 0) for name, value in match.groupdict().items() if name != "sign"}
    seconds = part["hours"] * 3600 + part["minutes"] * 60 + part["seconds"]
    microseconds = int((match["fraction"] or "").ljust(6, "0")[:6])
    clock = timedelta(seconds=seconds, microseconds=microseconds)
    try:
        days = timedelta(days=part["years"] * 365 + part["months"] * 30 + part["days"])
        return days - clock if match["sign"] == "-" else days + clock
    except OverflowError:
        raise DataError("an interval from the server is beyond what a timedelta can hold") from None


# By OID: loaders that take the bytes as they come, and those that take text.
_RAW: Final[dict[int, RawLoader]] = {
    oids.INT2: int,
    oids.INT4: int,
    oids.INT8: int,
    oids.OID: int,
    oids.FLOAT4: float,
    oids.FLOAT8: float,
    oids.BOOL: _bool,
    oids.BYTEA: _bytea,
}
_TEXT: Final[dict[int, Loader]] = {
    oids.NUMERIC: Decimal,
    oids.DATE: _date,
    oids.TIME: _time,
    oids.TIMETZ: _time,
    oids.TIMESTAMP: _timestamp,
    oids.TIMESTAMPTZ: _timestamp,
    oids.INTERVAL: _interval,
    oids.UUID: UUID,
    oids.JSON: json.loads,
    oids.JSONB: json.loads,
}
_WITH_ZONE: Final = frozenset([oids.TIMESTAMPTZ, oids.TIMETZ])
# The results of a program are of few kinds.
_MOST_KEPT: Final = 1024
# psycopg2 leaves arrays of these as text; an array of strings is of more use.
_ELEMENTS: Final = {**oids.ELEMENT_OF, 1003: 19, 1040: 829, 791: 790}
_RANGES: Final[dict[int, tuple[type[Range], int]]] = {
    oids.INT4RANGE: (NumericRange, oids.INT4),
    oids.INT8RANGE: (NumericRange, oids.INT8),
    oids.NUMRANGE: (NumericRange, oids.NUMERIC),
    oids.DATERANGE: (DateRange, oids.DATE),
    oids.TSRANGE: (DateTimeRange, oids.TIMESTAMP),
    oids.TSTZRANGE: (DateTimeTZRange, oids.TIMESTAMPTZ),
}


def find_loaders(
    columns: Sequence[Column], adapters: Adapters, encoding: str, tz_factory: TzFactory | None
) -> Sequence[RawLoader]:
    """Return what makes values of each of *columns*; see `find_loader`."""
    if tz_factory is timezone and adapters.loads_as_usual:
        return usual_loaders(columns, encoding)
    kept = adapters.found
    found: _Found | None = kept.get(id(columns))
    if found is None or found.columns is not columns or found.encoding != encoding:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        found = kept[id(columns)] = _Found(columns, adapters, encoding)
    if tz_factory is timezone or not found.zoned:
        return found.loaders
    loaders = found.loaders.copy()
    for at in found.zoned:
        loaders[at] = find_loader(columns[at].type_code, adapters, encoding, tz_factory)
    return loaders


class _Found:
    """What makes values of *columns*, kept for as long as the same loaders are registered.

    Without anybody's time zones, which are a method of something that is not to be kept alive.
    """

    __slots__ = ("columns", "encoding", "loaders", "zoned")

    def __init__(self, columns: Sequence[Column], adapters: Adapters, encoding: str) -> None:
        self.columns = columns
        self.encoding = encoding
        oids_of = [column.type_code for column in columns]
        self.loaders = [find_loader(oid, adapters, encoding, timezone) for oid in oids_of]
        #: The places of those that depend on the time zone.
        self.zoned = [at for at, oid in enumerate(oids_of) if _is_zoned(oid)]


def _is_zoned(oid: int) -> bool:
    if oid in _RANGES:
        return _is_zoned(_RANGES[oid][1])
    return _is_zoned(_ELEMENTS[oid]) if oid in _ELEMENTS else oid in _WITH_ZONE


@lru_cache(maxsize=1024)
def usual_loaders(columns: Sequence[Column], encoding: str) -> Sequence[RawLoader]:
    """Return what makes values of each of *columns* where no loader is registered."""
    nothing = Adapters()
    return [find_loader(column.type_code, nothing, encoding, timezone) for column in columns]


def find_loader(
    oid: int, adapters: Adapters, encoding: str, tz_factory: TzFactory | None
) -> RawLoader:
    """Return what makes values of a column of type *oid*.

    A loader registered on *adapters* comes first. *tz_factory* is called with the offset
    of a ``timestamptz`` or ``timetz``; None makes such values naive.
    """
    registered = adapters.loader(oid)
    if registered is None and (raw := _RAW.get(oid)) is not None:
        return raw
    decode = _decoder(encoding)
    load = registered or _text_loader(oid, adapters, encoding, tz_factory)
    if load is None:
        return decode
    return lambda raw: load(decode(raw))


def _text_loader(
    oid: int, adapters: Adapters, encoding: str, tz_factory: TzFactory | None
) -> Loader | None:
    """Return the adapter's own loader for *oid*, or None for a type that stays text."""
    load = _TEXT.get(oid)
    if load is not None:
        if oid in _WITH_ZONE and tz_factory is not timezone:
            return partial(_in_zone, load, tz_factory)
        return load

    def inner(text: str) -> Any:
        return element(text.encode(encoding))

    if (element_oid := _ELEMENTS.get(oid)) is not None:
        element = find_loader(element_oid, adapters, encoding, tz_factory)
        return partial(parse_array, load=inner)
    if (found := _RANGES.get(oid)) is not None:
        cls, element_oid = found
        element = find_loader(element_oid, adapters, encoding, tz_factory)
        return partial(parse_range, cls=cls, load=inner)
    return None


def _in_zone(load: Callable[[str], Any], tz_factory: TzFactory | None, text: str) -> Any:
    value = load(text)
    return value.replace(tzinfo=tz_factory(value.utcoffset()) if tz_factory else None)


@lru_cache
def _decoder(encoding: str) -> RawLoader:
    if encoding == "utf-8":
        return bytes.decode
    return lambda raw: raw.decode(encoding)
