"""What was prepared is not what it would be now, or never was: of that the user sees little."""

from __future__ import annotations

import pytest
from plans.conftest import BY_ID, CLIENT, fetch, held, run

from multipool import Pool


@pytest.fixture
def eager(make_pool):
    """A pool of one connection that prepares whatever is executed twice."""
    return make_pool(max_size=1, prepare={"threshold": 1})


def failures(driver, count, execute):
    """Return the SQLSTATEs of the failures of *count* calls."""
    found = []
    for _ in range(count):
        try:
            execute()
        except driver.Error as error:
            found.append(driver.sqlstate(error))
    return found


@pytest.mark.parametrize("begun", [True, False])
def test_a_syntax_error_is_the_users_own_and_no_savepoints(eager, driver, begun):
    with eager.connection() as conn:
        for _ in range(4):
            if begun:
                fetch(conn, "select 1")
            with pytest.raises(driver.DatabaseError, match='syntax error at or near "where"'):
                fetch(conn, "select 1 from where x = %s", (1,))
            conn.rollback()


def test_what_wants_a_literal_is_the_same_prepared_in_a_transaction(eager, way):
    if way == "psycopg":
        pytest.skip("psycopg binds whatever it is given")
    with eager.connection() as conn:
        fetch(conn, "select 1")
        for _ in range(4):
            assert fetch(conn, "select (point %s)[0]", ("(1,2)",)) == [(1.0,)]
            assert fetch(conn, "select 'abc'::varchar(%s)", (2,)) == [("ab",)]
        conn.commit()


def test_a_type_that_another_process_alters_fails_in_one_transaction_at_most(
    eager, driver, outside, table
):
    def read(conn):
        try:
            fetch(conn, "select 1")
            fetch(conn, "select name from numbers where id::integer = %s", (1,))
            fetch(conn, "select name from numbers where id = %s", ("1",))
        finally:
            conn.rollback()

    with eager.connection() as conn:
        for _ in range(3):
            read(conn)
        run(outside, "alter table numbers alter id type text")
        assert len(failures(driver, 8, lambda: read(conn))) <= 1


@pytest.mark.parametrize(
    ("before", "alter", "value"),
    [
        ("integer", "alter table things alter a type bigint", "5000000000"),
        ("date", "alter table things alter a type text", "tomorrow, maybe"),
        ("mood", "alter table things alter a type text; drop type mood", "blissful"),
    ],
)
def test_a_value_that_fits_the_type_as_it_is_by_now_is_taken(
    eager, driver, outside, before, alter, value
):
    first = {"integer": "1", "date": "2026-01-01", "mood": "merry"}[before]
    run(outside, "create type mood as enum ('merry')")
    run(outside, f"create table things (a {before})")
    insert = "insert into things values (%s)"
    try:
        with eager.connection() as conn:
            conn.autocommit = True
            for _ in range(3):
                conn.cursor().execute(insert, (first,))
            run(outside, alter)
            for _ in range(3):
                conn.cursor().execute(insert, (value,))
            rows = fetch(conn, "select a::text from things")
        assert rows == [(first,)] * 3 + [(value,)] * 3
    finally:
        run(outside, "drop table things; drop type if exists mood")


def test_a_value_that_never_fits_has_nothing_prepared_anew(eager, driver, outside):
    with eager.connection() as conn:
        conn.autocommit = True
        for _ in range(3):
            assert fetch(conn, "select %s::text::integer", ("1",)) == [(1,)]
        before = held(conn)
        assert (
            len(failures(driver, 4, lambda: fetch(conn, "select %s::text::integer", ("x",)))) == 4
        )
        assert fetch(conn, "select %s::text::integer", ("2",)) == [(2,)]
        assert set(before.items()) <= set(held(conn).items())


def test_tables_of_two_schemas_that_differ_in_types_are_given_up(eager, driver, outside):
    run(
        outside,
        "create schema one create table items (id integer);"
        "create schema two create table items (id text)",
    )

    def read(conn, schema):
        try:
            run(conn, f"set local search_path to {schema}")
            for _ in range(3):
                fetch(conn, "select * from items")
        finally:
            conn.rollback()

    try:
        with eager.connection() as conn:
            failed = failures(driver, 10, lambda: (read(conn, "one"), read(conn, "two")))
            assert 0 < len(failed) <= 3
            assert set(failed) == {"0A000"}
    finally:
        run(outside, "drop schema one cascade; drop schema two cascade")


def test_an_upsert_on_a_partial_index_fails_once_at_most(eager, driver, outside):
    run(
        outside,
        "create table users (email text, active boolean, n integer default 0);"
        "create unique index on users (email) where active",
    )
    upsert = (
        "insert into users (email, active) values (%s, true)"
        " on conflict (email) where active = %s do update set n = users.n + 1"
    )

    def write(conn):
        try:
            fetch(conn, "select 1")
            conn.cursor().execute(upsert, ("a", True))
        finally:
            conn.commit()

    try:
        with eager.connection() as conn:
            assert len(failures(driver, 20, lambda: write(conn))) <= 1
    finally:
        run(outside, "drop table users")


def test_a_temporary_table_made_by_select_into_shadows_the_other(eager, table):
    with eager.connection() as conn:
        conn.autocommit = True
        run(conn, "create temporary table other (n integer)")
        for _ in range(4):
            assert fetch(conn, "select count(*) from numbers") == [(10,)]
        for _ in range(2):
            run(conn, "select 1 as id into temp numbers")
            assert fetch(conn, "select count(*) from numbers") == [(1,)]
            run(conn, "drop table pg_temp.numbers")
            assert fetch(conn, "select count(*) from numbers") == [(10,)]


def test_an_offset_before_the_limit_is_left_where_it_is(make_pool, table):
    pool = make_pool(max_size=1, prepare={"threshold": 1, "limits": True})
    with pool.connection() as conn:
        fetch(conn, "select 1")
        for _ in range(4):
            assert fetch(conn, "select id from numbers order by id offset 2 limit 1") == [(3,)]
            inner = "select id from (select id from numbers order by id offset 2) s limit 1"
            assert fetch(conn, inner) == [(3,)]
        assert any("LIMIT" in text for text in held(conn))


def test_one_text_means_two_things_with_and_without_parameters(eager, way):
    with eager.connection() as conn:
        for _ in range(3):
            assert fetch(conn, "select '100%%'", {"a": 1}) == [("100%",)]
        for _ in range(3):
            assert fetch(conn, "select '100%%'") == [("100%%",)]


def test_an_error_that_speaks_of_what_was_prepared_tells_which_statement_that_is(
    make_pool, driver, way
):
    pool = make_pool(max_size=1)
    sql = "select 'a literal', %s::integer"
    pool.prepare(sql)
    with pool.connection() as conn:
        for _ in range(3):
            fetch(conn, sql, ("1",))
        with pytest.raises(driver.Error) as raised:
            fetch(conn, sql, ("hunter2",))
        conn.rollback()
    notes = "\n".join(getattr(raised.value, "__notes__", ()))
    if "multipool_" in str(raised.value):
        assert way in ("psycopg2", CLIENT)
        assert "select ?, %s::integer" in notes
    else:
        assert notes == ""
    assert "literal" not in notes
    assert "hunter2" not in notes


# -- psycopg -------------------------------------------------------------------------------


@pytest.fixture
def psycopg(way):
    """The module, once for both ways that use it."""
    if way != CLIENT:
        pytest.skip("psycopg's alone")
    return pytest.importorskip("psycopg")


def test_a_raw_cursors_statement_with_a_limit_is_its_own(psycopg, params, table):
    options = {"threshold": 1, "limits": True}
    raw = "select id from numbers where id > $1 order by id limit 1"
    with Pool(params, driver="psycopg", prepare=options) as pool, pool.connection() as conn:
        conn.cursor_factory = psycopg.RawCursor
        for _ in range(4):
            assert conn.execute(raw, [2]).fetchall() == [(3,)]


def test_a_text_that_is_known_from_other_cursors_is_executed_by_client_cursors(psycopg, params):
    pool = Pool(params, driver="psycopg", prepare={"threshold": 1})
    with pool, pool.connection() as conn:
        usual = conn.cursor_factory
        for factory in (usual, psycopg.ClientCursor, usual, psycopg.ClientCursor):
            conn.cursor_factory = factory
            for number in range(3):
                assert fetch(conn, "select %s::integer", (number,)) == [(number,)]


@pytest.mark.parametrize("autocommit", [False, True])
def test_what_psycopg_prepares_by_itself_is_read_as_it_is_now(
    psycopg, params, outside, table, autocommit
):
    with Pool(params, driver="psycopg", max_size=1) as pool:
        pool.prepare("select 42")
        with pool.connection() as conn:
            conn.autocommit = autocommit
            for _ in range(8):
                assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
            run(conn, "alter table numbers add column more integer default 5")
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
            if not autocommit:
                conn.rollback()
                return
            cursor = conn.execute(BY_ID, (1,), prepare=True)
            run(outside, "alter table numbers add column again integer default 6")
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                cursor.execute(BY_ID, (1,), prepare=True)
            assert cursor.execute(BY_ID, (1,), prepare=True).fetchall() == [(1, "n1", 5, 6)]


def test_what_psycopg_prepared_for_executemany_is_prepared_anew_where_somebody_altered_it(
    psycopg, way, params, outside, table
):
    add = "insert into numbers values (%s, 'more') returning *"
    with Pool(params, driver="psycopg", max_size=1) as pool:
        pool.prepare("select 42")
        with pool.connection() as conn:
            for altered in (False, True):
                if altered:
                    run(outside, "alter table numbers add column more integer default 5")
                    with pytest.raises(psycopg.errors.FeatureNotSupported):
                        conn.cursor().executemany(add, [(11,), (12,)], returning=True)
                    conn.rollback()
                cursor = conn.cursor()
                cursor.executemany(add, [(11,), (12,)], returning=True)
                expected = (11, "more", 5) if altered else (11, "more")
                assert cursor.fetchone() == expected
                conn.rollback()
