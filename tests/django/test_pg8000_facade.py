"""psycopg2's names, as Django uses them, mean the same over pg8000."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

pytest.importorskip("pg8000")

from django.utils.safestring import SafeString

from multipool import conninfo
from multipool_django.pg8000 import facade
from multipool_django.pg8000.facade import extensions, extras, hstore
from multipool_django.pg8000.psycopg_any import Jsonb
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.defaults import adapters
from multipool_pg8000.values import Typed

HSTORE = 90001


@pytest.fixture
def connection(dsn: str) -> Iterator[Any]:
    connection = facade.connect(**conninfo.parse(dsn))
    yield connection
    connection.close()


@pytest.fixture
def ask(connection: Any) -> Callable[..., Any]:
    def ask(sql: str, *params: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchone()[0]

    return ask


@pytest.mark.parametrize(
    "value",
    [
        "it's",
        "back\\slash",
        -5,
        1.5,
        True,
        None,
        dt.date(2026, 1, 31),
        [1, 2],
        ["a,b", 'quo"te', None],
        uuid.UUID(int=7),
    ],
)
def test_an_adapted_value_is_a_literal_of_that_value(ask: Callable[..., Any], value: Any) -> None:
    quoted = extensions.adapt(value).getquoted().decode()
    assert ask(f"select {quoted}") == value


def test_an_adapter_of_ones_own_is_written_into_the_statement(ask: Callable[..., Any]) -> None:
    class Point:
        def getquoted(self) -> bytes:
            return b"point(1,2)"

    snapshot = adapters.snapshot()
    try:
        extensions.register_adapter(Point, lambda point: point)
        assert ask("select %s::text", Point()) == "(1,2)"
    finally:
        adapters.restore(snapshot)


def test_a_safe_string_is_bound_as_the_text_it_is(ask: Callable[..., Any]) -> None:
    import_module("multipool_django.pg8000.base")  # where Django registers it
    assert ask("select %s::text", SafeString("<b>'\\")) == "<b>'\\"


def test_json_leaves_its_type_to_the_server_and_djangos_jsonb_says_it(
    ask: Callable[..., Any],
) -> None:
    value = {"a": ["it's", "\\", 1.5, None]}
    assert ask("select pg_typeof(%s)::text", Jsonb(value)) == "jsonb"
    assert ask("select %s::json ->> 'a'", extras.Json(value)) == json.dumps(value["a"])
    assert ask("select " + Jsonb(value, dumps=json.dumps).getquoted().decode()) == value


def test_a_connection_reads_jsonb_with_the_loader_it_was_given(
    connection: Any, ask: Callable[..., Any], dsn: str
) -> None:
    extras.register_default_jsonb(conn_or_curs=connection, loads=lambda text: text)
    assert ask("""select '{"a": 1}'::jsonb""") == '{"a": 1}'
    other = facade.connect(**conninfo.parse(dsn))
    cursor = other.cursor()
    cursor.execute("""select '{"a": 1}'::jsonb""")
    assert cursor.fetchone() == ({"a": 1},)
    other.close()


def test_an_array_of_a_new_type_is_read_as_a_list_where_it_is_registered(
    connection: Any, ask: Callable[..., Any]
) -> None:
    oid = ask("select 'regtype[]'::regtype::oid")
    assert ask("select array['int4']::regtype[]") == "{integer}"
    caster = extensions.new_array_type((oid,), "regtype[]", facade.STRING)
    extensions.register_type(caster, connection)
    assert ask("select array['int4', null]::regtype[]") == ["integer", None]


PAIRS: list[dict[str, str | None]] = [
    {},
    {"a": "1", "b": None},
    {"NULL": "NULL", "": ""},
    {'quo"te': "back\\slash", "it's": "a=>b, c", "new\nline": "☃"},
]


@pytest.mark.parametrize("pairs", PAIRS)
def test_an_hstore_is_read_as_the_dict_it_was_written_from(
    connection: Any, pairs: dict[str, str | None]
) -> None:
    hstore.register_hstore(connection, globally=True, oid=[HSTORE], array_oid=[HSTORE + 1])
    dumped = connection.adapters.dump(pairs)
    assert isinstance(dumped, Typed)
    assert (dumped.oid, dumped.cast) == (HSTORE, "hstore")
    assert connection.cursor().cast(HSTORE, dumped.text) == pairs
    array = connection.adapters.dump([pairs])
    assert connection.cursor().cast(HSTORE + 1, array.text) == [pairs]


def test_hstore_is_registered_for_one_connection_only(connection: Any) -> None:
    hstore.register_hstore(connection, globally=True, oid=[HSTORE], array_oid=[])
    with pytest.raises(facade.ProgrammingError, match="can't adapt type 'dict'"):
        Adapters(adapters).dump({"a": "1"})
