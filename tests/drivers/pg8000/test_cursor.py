"""The cursor: PEP 249 and psycopg2's additions."""

from __future__ import annotations

from typing import ClassVar

import pytest

from multipool_pg8000 import (
    NUMBER,
    STRING,
    Cursor,
    InterfaceError,
    NamedCursor,
    NotSupportedError,
    ProgrammingError,
)


@pytest.fixture
def cursor(conn):
    with conn.cursor() as cursor:
        cursor.execute(
            "create temp table thing (id int primary key, name varchar(7), n numeric(5,2))"
        )
        cursor.execute("insert into thing select i, 'n' || i, i from generate_series(1, 10) i")
        yield cursor


def test_rows_are_tuples_and_are_fetched_in_their_order(cursor):
    cursor.execute("select id from thing order by id")
    assert cursor.rowcount == 10
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany() == [(2,)]
    assert cursor.fetchmany(2) == [(3,), (4,)]
    assert next(cursor) == (5,)
    assert cursor.rownumber == 5
    assert cursor.fetchall() == [(i,) for i in range(6, 11)]
    assert cursor.fetchone() is None
    assert cursor.fetchall() == []
    assert list(cursor) == []


def test_scrolling_stays_within_the_rows(cursor):
    cursor.execute("select id from thing order by id")
    cursor.scroll(3)
    assert cursor.fetchone() == (4,)
    cursor.scroll(-2)
    assert cursor.fetchone() == (3,)
    cursor.scroll(0, "absolute")
    assert cursor.fetchone() == (1,)
    for value, mode in ((10, "absolute"), (-5, "relative")):
        with pytest.raises(ProgrammingError, match="out of bounds"):
            cursor.scroll(value, mode)
    with pytest.raises(ProgrammingError, match="'relative' or 'absolute'"):
        cursor.scroll(1, "sideways")


def test_the_description_has_seven_items_with_names(cursor):
    cursor.execute("select id, name, n, 1 as one from thing")
    number, name, numeric, one = cursor.description
    assert len(number) == 7
    assert number[:2] == ("id", 23)
    assert number.type_code == NUMBER != STRING
    assert name.internal_size == 7
    assert (numeric.precision, numeric.scale) == (5, 2)
    assert number.table_oid == name.table_oid
    assert (number.table_column, name.table_column) == (1, 2)
    assert one.table_oid is None


def test_a_statement_without_rows_has_no_description(cursor):
    cursor.execute("update thing set name = 'x' where id < 4")
    assert cursor.description is None
    assert (cursor.rowcount, cursor.statusmessage) == (3, "UPDATE 3")
    with pytest.raises(ProgrammingError, match="no results"):
        cursor.fetchone()


def test_returning_gives_rows_and_their_number(cursor):
    cursor.execute("insert into thing values (%s, %s, %s) returning id, name", (11, "a", None))
    assert (cursor.rowcount, cursor.fetchall()) == (1, [(11, "a")])


def test_executemany_sums_the_rows_it_changed(cursor):
    cursor.executemany("update thing set name = %s where id <= %s", [("a", 2), ("b", 3), ("c", 0)])
    assert cursor.rowcount == 5
    with pytest.raises(ProgrammingError, match="no results"):
        cursor.fetchall()


def test_callproc_takes_parameters_by_position_and_by_name(cursor):
    assert cursor.callproc("pg_catalog.repeat", ("ab", 2)) == ("ab", 2)
    assert cursor.fetchall() == [("abab",)]
    cursor.callproc("make_interval", {"days": 1, "hours": 2})
    assert cursor.fetchone()[0].total_seconds() == 26 * 3600
    cursor.callproc("version")
    assert cursor.fetchone()[0].startswith("PostgreSQL")


def test_mogrify_and_query_show_the_values_in_the_text(cursor):
    assert cursor.mogrify("select %s, %(", None) == b"select %s, %("
    assert cursor.mogrify("select %(a)s, %(b)s", {"a": "x'", "b": -1}) == b"select 'x''',  -1"
    cursor.execute("select %s, %s", ("x", None))
    assert cursor.query == b"select 'x', NULL"
    cursor.execute(b"select '100%'")
    assert cursor.query == b"select '100%'"
    assert cursor.fetchone() == ("100%",)


def test_a_query_that_is_no_text_is_refused(cursor):
    with pytest.raises(TypeError, match="not int"):
        cursor.execute(5)


def test_a_closed_cursor_is_of_no_more_use(conn):
    with conn.cursor() as cursor:
        cursor.execute("select 1")
    assert cursor.closed
    for use in (cursor.fetchone, lambda: cursor.execute("select 1"), lambda: cursor.mogrify("x")):
        with pytest.raises(InterfaceError, match="cursor already closed"):
            use()
    cursor.close()


def test_what_pep_249_leaves_open_does_nothing_or_says_so(cursor):
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)
    assert cursor.lastrowid is None
    with pytest.raises(NotSupportedError):
        cursor.nextset()


def test_the_users_cursor_class_is_used_for_named_cursors_too(connect):
    class Loud(Cursor):
        said: ClassVar[list[str]] = []

        def execute(self, query, params=None):
            self.said.append(query)
            super().execute(query, params)

    conn = connect(cursor_factory=Loud)
    assert type(conn.cursor()) is Loud
    named = conn.cursor("loud")
    assert isinstance(named, Loud)
    assert isinstance(named, NamedCursor)
    named.execute("select 1")
    assert named.fetchall() == [(1,)]
    assert Loud.said == ["select 1"]
    assert type(conn.cursor(cursor_factory=Cursor)) is Cursor


def test_a_users_named_cursor_may_call_what_it_is_made_of_by_name(conn):
    class Loud(Cursor):
        def execute(self, query, params=None):
            Cursor.execute(self, query, params)

    named = conn.cursor("loud", cursor_factory=Loud)
    named.execute("select generate_series(1, %s)", (3,))
    assert named.fetchmany(2) == [(1,), (2,)]
    with pytest.raises(ProgrammingError, match="only once"):
        named.execute("select 1")
    named.close()
    conn.rollback()
    with pytest.raises(ProgrammingError, match="needs a transaction"):
        conn.autocommit = True
        conn.cursor("loud", cursor_factory=Loud).execute("select 1")


# -- named cursors -------------------------------------------------------------------------


def test_a_named_cursor_asks_for_its_rows_in_batches(conn):
    named = conn.cursor('we"ird %s', scrollable=True)
    named.itersize = 7
    named.execute("select i from generate_series(1, %s) i", (20,))
    assert [i for (i,) in named] == list(range(1, 21))
    named.scroll(0, "absolute")
    assert named.fetchone() == (1,)
    assert named.fetchmany(3) == [(2,), (3,), (4,)]
    named.scroll(2)
    assert named.fetchall() == [(i,) for i in range(7, 21)]
    assert named.fetchall() == []
    assert [column.name for column in named.description] == ["i"]
    named.close()
    with conn.cursor() as cursor:
        cursor.execute("select count(*) from pg_cursors")
        assert cursor.fetchone() == (0,)


def test_a_named_cursor_needs_a_transaction_or_to_be_held(auto):
    with pytest.raises(ProgrammingError, match="needs a transaction"):
        auto.cursor("c").execute("select 1")
    held = auto.cursor("c", withhold=True)
    held.execute("select 1")
    assert held.fetchall() == [(1,)]
    held.close()
    held.close()


def test_closing_a_named_cursor_after_its_transaction_says_nothing_to_the_server(conn):
    named = conn.cursor("c")
    named.execute("select 1")
    conn.commit()
    with conn.cursor() as cursor:
        cursor.execute("select 1")
        named.close()
        cursor.execute("select 2")
        assert cursor.fetchone() == (2,)


def test_a_named_cursor_in_a_failed_transaction_closes_quietly(conn):
    with conn.cursor("c") as named:
        named.execute("select 1")
        with pytest.raises(ProgrammingError):
            conn.cursor().execute("select nothing")
    assert named.closed


def test_a_named_cursor_is_executed_once_and_for_one_query(conn):
    named = conn.cursor("c")
    with pytest.raises(ProgrammingError, match="not executed"):
        named.fetchone()
    named.execute("select 1")
    with pytest.raises(ProgrammingError, match="only once"):
        named.execute("select 2")
    with pytest.raises(ProgrammingError, match="executemany"):
        named.executemany("select 1", [])
    with pytest.raises(ProgrammingError, match="callproc"):
        named.callproc("version")


def test_scrollable_and_withhold_need_a_name(conn):
    with pytest.raises(ProgrammingError, match="named cursor"):
        conn.cursor(withhold=True)


def test_a_named_cursor_keeps_one_batch_in_memory(conn):
    import tracemalloc

    named = conn.cursor("big")
    named.execute("select i, repeat('x', 100) from generate_series(1, 100000) i")
    tracemalloc.start()
    try:
        assert sum(1 for _ in named) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
