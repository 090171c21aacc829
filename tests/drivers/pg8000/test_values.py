"""Values go out and come back as the same, by parameter and by literal."""

from __future__ import annotations

import enum
import json
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network

import pytest

import multipool_pg8000
from multipool_pg8000 import (
    Adapters,
    DataError,
    DateRange,
    DateTimeRange,
    DateTimeTZRange,
    Inet,
    Json,
    Jsonb,
    NumericRange,
    ProgrammingError,
    Typed,
    load,
)
from multipool_pg8000.defaults import adapters


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


EAST = timezone(timedelta(hours=5, minutes=30))

# value, PostgreSQL's type, PostgreSQL's text
VALUES = [
    (True, "boolean", "true"),
    (False, "boolean", "false"),
    (0, "integer", "0"),
    (-(2**31), "integer", "-2147483648"),
    (2**31, "bigint", "2147483648"),
    (2**63, "numeric", "9223372036854775808"),
    (float("-inf"), "double precision", "-Infinity"),
    (Decimal("1.200"), "numeric", "1.200"),
    (Decimal("-1E+3"), "numeric", "-1000"),
    ("a'b\\c", "text", "a'b\\c"),
    (b"\x00\xff\\", "bytea", "\\x00ff5c"),
    (date(2020, 2, 29), "date", "2020-02-29"),
    (date(1, 1, 1), "date", "0001-01-01"),
    (datetime(2020, 1, 2, 3, 4, 5, 60), "timestamp without time zone", "2020-01-02 03:04:05.00006"),
    (
        datetime(2020, 1, 2, 3, 4, 5, 600000, UTC),
        "timestamp with time zone",
        "2020-01-02 03:04:05.6+00",
    ),
    (time(1, 2, 3, 4), "time without time zone", "01:02:03.000004"),
    (time(1, 2, 3, tzinfo=EAST), "time with time zone", "01:02:03+05:30"),
    (timedelta(days=-3, seconds=5, microseconds=7), "interval", "-3 days +00:00:05.000007"),
    (timedelta(0), "interval", "00:00:00"),
    (
        uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "uuid",
        "12345678-1234-5678-1234-567812345678",
    ),
    ([1, None, 3], "integer[]", "{1,NULL,3}"),
    ([1, 2**40], "bigint[]", "{1,1099511627776}"),
    ([[1, 2], [3, 4]], "integer[]", "{{1,2},{3,4}}"),
    (["a", "NULL", "", 'x"\\,{}'], "text[]", r'{a,"NULL","","x\"\\,{}"}'),
    ([date(2020, 1, 1)], "date[]", "{2020-01-01}"),
    ([b"a'", b"\\"], "bytea[]", '{"\\\\x6127","\\\\x5c"}'),
    ([True, False], "boolean[]", "{t,f}"),
    (DateRange(date(2020, 1, 1), date(2020, 2, 1)), "daterange", "[2020-01-01,2020-02-01)"),
    (DateRange(empty=True), "daterange", "empty"),
    (
        DateTimeRange(datetime(2020, 1, 1), None, "()"),
        "tsrange",
        '("2020-01-01 00:00:00",)',
    ),
    (
        DateTimeTZRange(None, datetime(2020, 1, 1, tzinfo=UTC), "(]"),
        "tstzrange",
        '(,"2020-01-01 00:00:00+00"]',
    ),
]


@pytest.fixture(params=["server", "client"])
def cursor(auto, request):
    auto.binding = request.param
    cursor = auto.cursor()
    cursor.execute("set time zone 'UTC'")
    return cursor


@pytest.mark.parametrize(("value", "kind", "text"), VALUES, ids=repr)
def test_a_value_has_its_type_and_comes_back_equal(cursor, value, kind, text):
    cursor.execute("select x, x::text from (select %s as x) as one", (value,))
    found, server_text = cursor.fetchone()
    assert found == value
    assert type(found) is {bytes: memoryview}.get(type(value), type(value)) or kind == "numeric"
    assert server_text == text
    cursor.execute("select pg_typeof(x)::text from (select %s as x) as one", (value,))
    assert cursor.fetchone() == (kind,)


def test_a_float_is_a_double_as_a_parameter_and_a_bare_number_as_a_literal(cursor):
    cursor.execute("select x, pg_typeof(x)::text from (select %s as x) as one", (1.5,))
    kind = {"server": "double precision", "client": "numeric"}[cursor.connection.binding]
    assert cursor.fetchone() == (1.5, kind)
    cursor.execute("select %s::float8, %s::float8", (1e300, -2.5e-300))
    assert cursor.fetchone() == (1e300, -2.5e-300)


def test_not_a_number_comes_back_as_such(cursor):
    cursor.execute("select %s, %s", (float("nan"), Decimal("NaN")))
    one, other = cursor.fetchone()
    assert one != one
    assert other.is_nan()


def test_an_enum_goes_out_as_what_it_is_made_of(cursor):
    cursor.execute("select %s::text, %s", (Colour.RED, Level.HIGH))
    assert cursor.fetchone() == ("red", 3)


def test_json_is_wrapped_on_the_way_out_and_parsed_on_the_way_back(cursor):
    cursor.execute("select %s, %s", (Json({"a": [1, "'\\"]}), Jsonb([None, 1.5])))
    assert cursor.fetchone() == ({"a": [1, "'\\"]}, [None, 1.5])
    cursor.execute("select %s", (Jsonb({"a": 1}, dumps=lambda value: '{"b": 2}'),))
    assert cursor.fetchone() == ({"b": 2},)


def test_network_addresses_come_back_as_text(cursor):
    values = [
        Inet("10.0.0.1/8"),
        ip_address("::1"),
        ip_network("10.0.0.0/8"),
        ip_interface("10.1.1.1/8"),
    ]
    cursor.execute("select %s, %s, %s, %s", values)
    assert cursor.fetchone() == ("10.0.0.1/8", "::1", "10.0.0.0/8", "10.1.1.1/8")


def test_a_numeric_range_takes_the_columns_type(cursor):
    cursor.execute("select %s::int4range, %s::numrange", [NumericRange(1, 5, "[]")] * 2)
    assert cursor.fetchone() == (NumericRange(1, 6), NumericRange(Decimal(1), Decimal(5), "[]"))


def test_an_empty_list_takes_the_columns_type(cursor):
    cursor.execute("select %s::int[], %s::text[]", ([], [None]))
    assert cursor.fetchone() == ([], [None])


def test_a_list_after_any_finds_its_rows(cursor):
    cursor.execute("select i from generate_series(1, 5) i where i = any(%s)", ([2, 4],))
    assert cursor.fetchall() == [(2,), (4,)]


def test_bytea_is_a_memoryview_as_with_psycopg2_in_either_output_format(cursor):
    for style in ("hex", "escape"):
        cursor.execute(f"set bytea_output to {style}")
        cursor.execute("select %s", (b"\x00a\\\xff",))
        (found,) = cursor.fetchone()
        assert isinstance(found, memoryview)
        assert found == b"\x00a\\\xff"


def test_intervals_with_months_and_years_count_30_and_365_days(cursor):
    cursor.execute("select interval '1 year 2 mons -3 days -04:05:06.07', interval '-1 mon'")
    assert cursor.fetchone() == (
        timedelta(days=365 + 60 - 3) - timedelta(hours=4, minutes=5, seconds=6.07),
        timedelta(days=-30),
    )


@pytest.mark.parametrize(
    "sql",
    [
        "date 'infinity'",
        "timestamp '-infinity'",
        "timestamptz 'infinity'",
        "date '0044-03-15 BC'",
        "timestamp '12020-01-01'",
        "time '24:00'",
        "array[date 'infinity']",
    ],
)
def test_what_python_cannot_hold_is_an_error_when_it_is_fetched(cursor, sql):
    cursor.execute(f"select {sql} union all select null")
    assert cursor.rowcount == 2
    with pytest.raises(DataError, match="beyond what Python's can hold"):
        cursor.fetchone()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


def test_a_type_without_a_dumper_is_refused_by_name(cursor):
    with pytest.raises(ProgrammingError, match="'object'"):
        cursor.execute("select %s", (object(),))
    with pytest.raises(ProgrammingError, match="'dict'"):
        cursor.execute("select %s", ({"a": 1},))


def test_a_time_zone_factory_is_given_the_offset_and_none_drops_the_zone(cursor):
    seen = []

    def zone(offset):
        seen.append(offset)
        return EAST

    sql = "select timestamptz '2020-01-01 12:00+00', array[timestamptz '2020-01-01 12:00+00']"
    cursor.tzinfo_factory = zone
    cursor.execute(sql)
    aware = datetime(2020, 1, 1, 12, tzinfo=EAST)
    assert cursor.fetchone() == (aware, [aware])
    assert seen == [timedelta(0)] * 2
    cursor.tzinfo_factory = None
    cursor.execute(sql)
    assert cursor.fetchone() == (datetime(2020, 1, 1, 12), [datetime(2020, 1, 1, 12)])


# -- registering ---------------------------------------------------------------------------


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def dump_point(point, adapters):
    return Typed(600, f"({point.x},{point.y})", "point")


def test_a_dumper_serves_parameters_literals_and_arrays_alike(cursor):
    cursor.connection.adapters.register_dumper(Point, dump_point)
    cursor.execute("select (%s)[0], pg_typeof(%s)::text", (Point(1, 2), Point(3, 4)))
    assert cursor.fetchone() == (1.0, "point")
    cursor.execute("select (%s::point[])[2]::text", ([Point(1, 2), Point(3, 4)],))
    assert cursor.fetchone() == ("(3,4)",)


def test_a_cursors_adapters_come_before_the_connections(auto):
    auto.adapters.register_loader(23, lambda text: f"connection {text}")
    one, other = auto.cursor(), auto.cursor()
    one.adapters.register_loader(23, lambda text: f"cursor {text}")
    for cursor, name in ((one, "cursor"), (other, "connection")):
        cursor.execute("select 1, array[1], int4range(1, 2)")
        number, array, span = cursor.fetchone()
        assert (number, array, span.lower) == (f"{name} 1", [f"{name} 1"], f"{name} 1")


def test_loaders_are_looked_up_once_while_the_same_are_registered(auto, monkeypatch):
    looked_up = []
    find_loader = load.find_loader

    def look_up(oid, *args):
        looked_up.append(oid)
        return find_loader(oid, *args)

    monkeypatch.setattr(load, "find_loader", look_up)
    auto.adapters.register_loader(114, str.upper)
    monkeypatch.setattr(multipool_pg8000.Cursor, "tzinfo_factory", lambda _, offset: EAST)

    def fetched():
        looked_up.clear()
        with auto.cursor() as cursor:
            cursor.execute("select 1, json '[]', 'a'::text, tstzrange('2020-01-01 12:00+00', null)")
            number, _, text, span = cursor.fetchone()
        assert span.lower.tzinfo is EAST
        return number, text, set(looked_up)

    zoned = {3910, 1184}  # whose loaders the cursor's own time zones are part of
    assert fetched() == (1, "a", {23, 114, 25, *zoned})
    before = auto.adapters.snapshot()
    assert fetched() == (1, "a", zoned)
    auto.adapters.register_loader(25, str.upper)
    assert fetched() == (1, "A", {23, 114, 25, *zoned})
    auto.adapters.restore(before)
    assert fetched()[:2] == (1, "a")
    process = adapters.snapshot()
    adapters.register_loader(23, lambda text: f"process {text}")
    try:
        assert fetched()[:2] == ("process 1", "a")
    finally:
        adapters.restore(process)
    assert fetched()[:2] == (1, "a")
    assert fetched() == (1, "a", zoned)


def test_a_dumper_for_a_base_class_serves_its_subclasses():
    adapters = Adapters()
    adapters.register_dumper(Point, dump_point)

    class Pixel(Point):
        pass

    assert adapters.dump(Pixel(1, 2)) == Typed(600, "(1,2)", "point")


def test_a_loader_that_fails_leaves_the_connection_in_step(auto):
    auto.adapters.register_loader(114, json.loads)
    auto.adapters.register_loader(25, json.loads)
    cursor = auto.cursor()
    cursor.execute("select 'no json'::text from generate_series(1, 100000)")
    with pytest.raises(json.JSONDecodeError):
        cursor.fetchall()
    cursor.execute("select 42")
    assert cursor.fetchall() == [(42,)]
