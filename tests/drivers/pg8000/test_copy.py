"""COPY, both ways, and when the file fails."""

from __future__ import annotations

import io

import pytest

from multipool_pg8000 import ProgrammingError, errors

ROWS = [(1, "a\tb\\c\n"), (2, None), (3, "é")]


@pytest.fixture
def cursor(conn):
    with conn.cursor() as cursor:
        cursor.execute('create temp table "od d" (id int, name text)')
        yield cursor


def fill(cursor):
    cursor.executemany('insert into "od d" values (%s, %s)', ROWS)


def rows(cursor):
    cursor.execute('select * from "od d" order by id')
    return cursor.fetchall()


@pytest.mark.parametrize("kind", [io.BytesIO, io.StringIO])
def test_a_table_goes_out_and_comes_back_the_same(cursor, kind):
    fill(cursor)
    file = kind()
    cursor.copy_to(file, "od d")
    assert cursor.rowcount == 3
    cursor.execute('truncate "od d"')
    file.seek(0)
    cursor.copy_from(file, "od d", size=5)
    assert (cursor.rowcount, cursor.statusmessage) == (3, "COPY 3")
    assert rows(cursor) == ROWS


def test_separator_null_and_columns_are_told_to_the_server(cursor):
    cursor.copy_from(io.StringIO("x|1\n'|2\n"), "od d", sep="|", null="'", columns=("name", "id"))
    assert rows(cursor) == [(1, "x"), (2, None)]


def test_copy_expert_takes_any_copy(cursor):
    file = io.BytesIO()
    cursor.copy_expert("copy (select 1, 'a') to stdout with csv", file)
    assert file.getvalue() == b"1,a\n"
    binary = io.BytesIO()
    cursor.copy_expert("copy (select 1) to stdout with binary", binary)
    assert binary.getvalue().startswith(b"PGCOPY\n")


def test_a_file_that_fails_ends_the_copy_and_not_the_connection(cursor, conn):
    class Failing(io.StringIO):
        def read(self, size=-1):
            raise ZeroDivisionError

        def write(self, text):
            raise ZeroDivisionError

    fill(cursor)
    conn.commit()
    with pytest.raises(ZeroDivisionError):
        cursor.copy_from(Failing(), "od d")
    conn.rollback()
    with pytest.raises(ZeroDivisionError):
        cursor.copy_to(Failing(), "od d")
    assert rows(cursor) == ROWS


def test_data_that_the_server_refuses_gives_its_error(cursor, conn):
    with pytest.raises(errors.InvalidTextRepresentation):
        cursor.copy_from(io.StringIO("one\ttwo\n"), "od d")
    conn.rollback()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("sql", ["copy (select 1) to stdout", "copy pg_temp.t from stdin"])
def test_a_copy_without_a_file_is_refused_and_leaves_the_connection_in_step(auto, sql):
    with auto.cursor() as cursor:
        cursor.execute("create temp table t (x int)")
        with pytest.raises(ProgrammingError, match="copy_expert"):
            cursor.execute(sql)
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_rows_that_are_copied_in_can_be_seen_by_the_next_statement_of_the_transaction(cursor, conn):
    cursor.copy_from(io.BytesIO(b"1\ta\n"), "od d")
    assert rows(cursor) == [(1, "a")]
    conn.rollback()
