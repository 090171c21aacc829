"""Values of every type arrive as what they are, with every driver.

Each goes out twice, as a parameter and as a literal, beside the same value written by this
test in a form of PostgreSQL's own. The server must see no difference, and the driver must
bring back what was sent. Where the drivers differ is for `test_differences`.

``MULTIPOOL_TEST_EXAMPLES`` is the number of lists of values tried for each type (10).
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_interface, ip_network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("MULTIPOOL_TEST_EXAMPLES", "10"))


# -- what each driver calls what PostgreSQL has and Python has not ---------------------


def wrappers(driver):
    """Return the classes of *driver* for json, jsonb and the ranges."""
    if driver.name == "pg8000":
        import multipool_pg8000 as own

        return own.Json, own.Jsonb, own
    if driver.name == "psycopg2":
        from psycopg2 import extras

        return extras.Json, extras.Json, extras
    from psycopg.types import json as jsons
    from psycopg.types import range as ranges

    return jsons.Json, jsons.Jsonb, ranges


def as_json(driver, value):
    return wrappers(driver)[0](value)


def as_jsonb(driver, value):
    return wrappers(driver)[1](value)


def as_range(name):
    """Return what makes a range of two limits; psycopg has one class for all of them."""

    def make(driver, limits):
        classes = wrappers(driver)[2]
        cls = getattr(classes, "Range" if driver.name == "psycopg" else name)
        return cls(*limits, "()" if limits[0] is None else "[)")

    return make


def as_itself(driver, value):
    return value


def as_text_for_psycopg2(driver, value):
    return str(value) if driver.name == "psycopg2" else value


# -- a value as PostgreSQL writes it ---------------------------------------------------


def quoted(text):
    """Return *text* in quotes that nothing in it can end, and that nothing escapes."""
    tag = "x"
    while f"${tag}$" in f"{text}$":
        tag += "x"
    return f"${tag}${text}${tag}$"


def in_quotes(value):
    return quoted(str(value))


def isoformat(value):
    return quoted(value.isoformat())


def in_hex(value):
    return quoted("\\x" + value.hex())


def interval(value):
    return quoted(f"{value.days} days {value.seconds}.{value.microseconds:06} seconds")


def limits(pair):
    lower, upper = ("" if limit is None else f'"{limit}"' for limit in pair)
    return quoted(f"{'[' if lower else '('}{lower},{upper})")


def array(of):
    def write(values):
        return f"array[{', '.join('null' if value is None else of(value) for value in values)}]"

    return write


# -- the types -------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A type of PostgreSQL's, and the values of Python's that go into it."""

    values: st.SearchStrategy[Any]
    #: The value as PostgreSQL writes it, in SQL.
    write: Callable[[Any], str] = in_quotes
    #: What is given to the driver, and what it should give back.
    out: Callable[[Any, Any], Any] = as_itself
    back: Callable[[Any, Any], Any] = as_itself
    #: What the value to be given back and the one that was are brought to, to be compared.
    alike: Callable[[Any], Any] = lambda value: value


def single(value):
    """Return *value* as precisely as the server keeps it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def ranges(values):
    """Return pairs of limits, the lower below the upper; None is none."""
    ordered = st.tuples(values, values).filter(lambda pair: pair[0] < pair[1])
    open_ended = st.tuples(values, st.none()) | st.tuples(st.none(), values)
    return ordered | open_ended


def range_of(values, name):
    return Kind(ranges(values), limits, as_range(name), as_range(name))


def lists(values):
    return st.lists(values | st.none(), max_size=5)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
# A zero loses its sign in a literal, which the server reads as a numeric.
FLOATS = st.floats().map(lambda value: value + 0.0)
NUMBERS = st.decimals(-(10**30), 10**30, allow_nan=False)
# Python's own limits are reached when such a time is brought to another zone.
MOMENTS = {"min_value": datetime(2, 1, 1), "max_value": datetime(9998, 12, 31)}
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(**MOMENTS, timezones=ZONES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)

KINDS = {
    "boolean": Kind(st.booleans()),
    "smallint": Kind(st.integers(-(2**15), 2**15 - 1)),
    "integer": Kind(st.integers(-(2**31), 2**31 - 1)),
    "bigint": Kind(st.integers(-(2**63), 2**63 - 1)),
    "numeric": Kind(NUMBERS | st.just(Decimal("NaN"))),
    "real": Kind(st.floats(width=32).map(lambda value: value + 0.0), alike=single),
    "double precision": Kind(FLOATS),
    "text": Kind(TEXTS, quoted),
    "bytea": Kind(st.binary(max_size=20), in_hex, alike=bytes),
    "date": Kind(st.dates(), isoformat),
    "time": Kind(st.times(), isoformat),
    "timetz": Kind(st.times(timezones=ZONES), isoformat),
    "timestamp": Kind(st.datetimes(), isoformat),
    "timestamptz": Kind(AWARE, isoformat),
    "interval": Kind(st.timedeltas(), interval),
    # psycopg2 takes and gives text, unless its extras are registered.
    "uuid": Kind(st.uuids(), out=as_text_for_psycopg2, alike=lambda value: UUID(str(value))),
    # Only psycopg gives objects back.
    "inet": Kind(st.ip_addresses().map(ip_interface), out=as_text_for_psycopg2, alike=ip_interface),
    "cidr": Kind(st.ip_addresses().map(ip_network), out=as_text_for_psycopg2, alike=ip_network),
    "json": Kind(JSON, lambda value: quoted(json.dumps(value)), as_json),
    "jsonb": Kind(JSON, lambda value: quoted(json.dumps(value)), as_jsonb),
    "int4range": range_of(st.integers(-1000, 1000), "NumericRange"),
    "numrange": range_of(NUMBERS, "NumericRange"),
    "daterange": range_of(st.dates(max_value=date(9999, 12, 30)), "DateRange"),
    "tsrange": range_of(st.datetimes(), "DateTimeRange"),
    "tstzrange": range_of(AWARE, "DateTimeTZRange"),
    "boolean[]": Kind(lists(st.booleans()), array(in_quotes)),
    "bigint[]": Kind(lists(st.integers(-(2**63), 2**63 - 1)), array(in_quotes)),
    "numeric[]": Kind(lists(NUMBERS), array(in_quotes)),
    "double precision[]": Kind(lists(FLOATS), array(in_quotes)),
    "text[]": Kind(lists(TEXTS), array(quoted)),
    "bytea[]": Kind(
        lists(st.binary(max_size=5)),
        array(in_hex),
        alike=lambda values: [value if value is None else bytes(value) for value in values],
    ),
    "date[]": Kind(lists(st.dates()), array(isoformat)),
    "timestamptz[]": Kind(lists(AWARE), array(isoformat)),
    "integer[][]": Kind(
        st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=1, max_size=3),
        array(array(in_quotes)),
    ),
}


def same(one, other):
    """Return whether two values are the same, not-a-numbers among them."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | Decimal) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


# -- the two ways ----------------------------------------------------------------------


def by_parameter(driver, conn, sql, values):
    return fetch(conn, sql, values)


def by_literal(driver, conn, sql, values):
    """Have the driver write the values into the text, and send that."""
    if driver.name == "psycopg":
        from psycopg import ClientCursor

        with ClientCursor(conn) as cursor:
            return fetch(conn, cursor.mogrify(sql, values))
    with conn.cursor() as cursor:
        return fetch(conn, cursor.mogrify(sql, values))


def fetch(conn, *statement):
    with conn.cursor() as cursor:
        cursor.execute(*statement)
        return cursor.fetchall()


@pytest.fixture
def auto(conn):
    conn.autocommit = True
    return conn


@pytest.mark.parametrize("way", [by_parameter, by_literal])
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_arrives_as_the_server_itself_reads_it_and_comes_back(auto, driver, kind, way):
    of = KINDS[kind]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(of.values, min_size=1, max_size=10))
    def holds(values):
        rows = ", ".join(
            f"(cast(%s as {kind}), cast({of.write(value).replace('%', '%%')} as {kind}))"
            for value in values
        )
        sql = f"select x, x::text, y::text from (values {rows}) as one (x, y)"
        sent = [of.out(driver, value) for value in values]
        found = way(driver, auto, sql, sent)
        for value, (loaded, text, expected) in zip(values, found, strict=True):
            assert text == expected
            assert same(of.alike(loaded), of.alike(of.back(driver, value)))

    holds()


# -- hostile strings -------------------------------------------------------------------

STRINGS = 100_000
BATCH = 1000
PIECES = [
    *("'", "''", "\\", "\\'", '"', "$", "$$", "$1", ";", "--", "/*", "*/", "%", "%s", "%(a)s"),
    *(
        "E'",
        "U&'",
        "\n",
        "\r",
        "\b",
        "{",
        "}",
        ",",
        "'||'",
        "); drop table x; --",
        "\u2019",
        "\uff07",
    ),
    *"abné",
]


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_no_hostile_string_escapes_its_literal(auto, driver, conforming):
    """Were one to end its literal too early or too late, the statement would fail or differ."""
    driver.set_parameter(auto, "standard_conforming_strings", conforming)
    chance = random.Random(20)
    sql = f"select array[{', '.join(['%s'] * BATCH)}]"
    for _ in range(STRINGS // BATCH):
        texts = ["".join(chance.choices(PIECES, k=chance.randrange(1, 12))) for _ in range(BATCH)]
        assert by_literal(driver, auto, sql, texts)[0][0] == texts
    driver.set_parameter(auto, "standard_conforming_strings", "on")
