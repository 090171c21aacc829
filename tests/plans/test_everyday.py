"""The short way of what is prepared and watched does what the long one does."""

from __future__ import annotations

from datetime import UTC

import pytest
from plans.conftest import BY_ID, fetch, held, run
from support import line_of

from multipool import Pool

REFUSED = "select 1 / %s"


def test_the_line_of_a_prepared_execution_is_the_users(prepared):
    def use(conn):
        conn.cursor().execute(BY_ID, (2,))

    with prepared.connection() as conn:
        use(conn)
        (holder,) = prepared.held(0)
    assert holder.query[0] == line_of(use, "execute(")
    assert holder.state == "idle in transaction"


def test_an_error_of_the_server_ends_a_prepared_execution_for_the_watch_too(pool, driver, table):
    pool.prepare(REFUSED)
    with pool.connection() as conn:
        for _ in range(3):
            fetch(conn, REFUSED, (1,))
        with pytest.raises(driver.Error):
            fetch(conn, REFUSED, (0,))
        (holder,) = pool.held(0)
        assert holder.state == "idle in transaction (aborted)"
        conn.rollback()
        assert fetch(conn, REFUSED, (1,)) == [(1,)]


def test_each_prepared_execution_is_counted(prepared):
    (before,) = prepared.plans()
    with prepared.connection() as conn:
        for _ in range(5):
            fetch(conn, BY_ID, (1,))
    (after,) = prepared.plans()
    executed = after.calls + after.unprepared_calls - before.calls - before.unprepared_calls
    assert executed == 5
    assert after.calls > before.calls


def test_an_heir_of_the_pools_cursor_class_has_its_execute_called(prepared):
    executed = []
    with prepared.connection() as conn:

        class Heir(type(conn.cursor())):
            def execute(self, query, *args):
                executed.append(query)
                return super().execute(query, *args)

        cursor = Heir(conn)
        cursor.execute(BY_ID, (2,))
        assert [tuple(row) for row in cursor.fetchall()] == [(2, "n2")]
        assert len(held(conn)) == 1
    assert executed == [BY_ID]


def test_an_heir_of_the_pools_cursor_class_may_be_the_cursor_factory(prepared):
    with prepared.connection() as conn:

        class Heir(type(conn.cursor())):
            pass

        conn.cursor_factory = Heir
        for _ in range(3):
            assert fetch(conn, BY_ID, (2,)) == [(2, "n2")]


@pytest.mark.parametrize("begin_travels", [False, True])
def test_what_a_cursor_class_with_an_execute_of_its_own_makes_of_a_statement_is_executed_prepared(
    make_pool, driver, cursor_class, table, begin_travels
):
    class Confined(cursor_class):
        def execute(self, query, *args):
            return super().execute(f"{query} and id < 5", *args)

    pool = make_pool(max_size=1, configure=driver.piggyback_begin if begin_travels else None)
    pool.prepare(BY_ID)  # which nobody executes
    pool.prepare(f"{BY_ID} and id < 5")
    with pool.connection() as conn:
        usual = conn.cursor_factory
        for _ in range(3):
            conn.cursor_factory = Confined
            for _ in range(2):
                assert fetch(conn, BY_ID, (7,)) == []
                assert fetch(conn, BY_ID, (4,)) == [(4, "n4")]
            conn.cursor_factory = usual
            assert len(held(conn)) == 1
            conn.commit()
    nobodys, confined = pool.plans()
    assert nobodys.calls == nobodys.unprepared_calls == 0
    assert confined.calls + confined.unprepared_calls == 12


@pytest.mark.parametrize("begin_travels", [False, True])
def test_a_cursor_class_that_passes_the_pools_by_is_watched_and_in_a_transaction_all_the_same(
    make_pool, driver, cursor_class, table, begin_travels
):
    class Direct(cursor_class):
        def execute(self, query, *args):
            return cursor_class.execute(self, query, *args)

        def executemany(self, query, *args):
            return cursor_class.executemany(self, query, *args)

    pool = make_pool(
        max_size=1,
        prepare={"threshold": 1},
        configure=driver.piggyback_begin if begin_travels else None,
    )
    add = "insert into numbers values (%s, 'more')"
    with pool.connection() as conn:
        conn.cursor_factory = Direct
        cursor = conn.cursor()
        for key in (101, 102, 103):
            cursor.execute(add, (key,))
            conn.rollback()
            cursor.executemany(add, [(key,)])
            conn.rollback()
        cursor.execute("select count(*) from numbers")
        assert tuple(cursor.fetchone()) == (10,)
        conn.commit()
        cursor.execute("set search_path to nowhere")
    with pool.connection() as conn:
        assert fetch(conn, "show search_path") != [("nowhere",)]


@pytest.mark.parametrize("begin_travels", [False, True])
@pytest.mark.parametrize("name", ["DictCursor", "RealDictCursor"])
def test_psycopg2s_own_cursor_classes_execute_prepared(
    make_pool, driver, table, name, begin_travels
):
    if driver.name != "psycopg2":
        pytest.skip("psycopg2's alone")
    from psycopg2 import extras

    pool = make_pool(max_size=1, configure=driver.piggyback_begin if begin_travels else None)
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        for _ in range(3):
            with conn.cursor(cursor_factory=getattr(extras, name)) as cursor:
                cursor.execute(BY_ID, (4,))
                assert cursor.fetchone()["name"] == "n4"
        assert len(held(conn)) == 1


def test_a_pipeline_collects_what_is_prepared(prepared, way):
    if way != "psycopg":
        pytest.skip("has no pipelines")
    with prepared.connection() as conn:
        with conn.pipeline():
            cursors = [conn.cursor().execute(BY_ID, (key,)) for key in (1, 2, 3)]
        assert [cursor.fetchone() for cursor in cursors] == [(1, "n1"), (2, "n2"), (3, "n3")]
        assert fetch(conn, BY_ID, (4,)) == [(4, "n4")]


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("select 'ten %%' || 1", [None, None, (), None, (), ()]),
        ("select %s::text, %s", [("a", 1), ["b", 2], ("c", 2**40), ("d", 3), (None, 4), ("e", 5)]),
        ("select %(a)s::text", [{"a": "x"}, {"a": "y", "b": 1}, {"a": None}, {"a": "z"}]),
        ("select concat(%s, %s)", [(1, 2), (3, 4), ("a", "b"), (5, 6)]),
        ("select distinct %s + 0, %s + 0", [(1, 2), (3, 4), (5, 5), (6, 7)]),
        ("select repeat('x', 1000), i from generate_series(1, %s) i", [(1,), (30,), (500,), (0,)]),
    ],
)
def test_what_is_known_of_an_execution_is_not_believed_of_one_with_other_parameters(
    make_pool, way, sql, given
):
    if way == "psycopg" and "concat" in sql:
        pytest.skip("psycopg does not bind this")
    plain, planned = make_pool(), make_pool()
    planned.prepare(sql)
    with plain.connection() as one, planned.connection() as other:
        for params in given * 2:
            assert fetch(other, sql, params) == fetch(one, sql, params)


def test_a_prepared_statement_that_returns_no_rows_says_how_many_it_changed(pool, table):
    sql = "update numbers set name = name where id <= %s"
    pool.prepare(sql)
    with pool.connection() as conn:
        cursor = conn.cursor()
        for number in (1, 2, 3, 0, 4):
            cursor.execute(sql, (number,))
            assert (cursor.rowcount, cursor.description) == (number, None)


def test_what_is_prepared_follows_the_clients_encoding(pool, table):
    sql = "select %s::text || '\N{EURO SIGN}'"
    pool.prepare(sql)
    with pool.connection() as conn:
        conn.autocommit = True
        for encoding in ("UTF8", "LATIN9", "UTF8"):
            if hasattr(conn, "set_client_encoding"):  # psycopg2 does not see the statement
                conn.set_client_encoding(encoding)
            else:
                run(conn, f"set client_encoding to {encoding}")
            for _ in range(3):
                assert fetch(conn, sql, ("\xe9",)) == [("\xe9\N{EURO SIGN}",)]


def test_a_notice_comes_with_the_rows_of_a_prepared_execution(pool, driver, table):
    run_once = (
        "create function pg_temp.told(i integer) returns integer language plpgsql as"
        " $$begin if i > 2 then raise warning 'told %', i; end if; return i; end$$"
    )
    sql = "select pg_temp.told(%s)"
    pool.prepare(sql)
    notices = []
    with pool.connection() as conn:
        conn.autocommit = True
        run(conn, run_once)
        if driver.name == "psycopg":
            conn.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        for number in range(1, 5):
            assert fetch(conn, sql, (number,)) == [(number,)]
        if driver.name != "psycopg":
            notices += [notice.partition(":  ")[2].rstrip() for notice in conn.notices]
    assert notices == ["told 3", "told 4"]


def test_loaders_and_the_binding_are_heeded_though_a_statement_is_known(params, table):
    multipool_pg8000 = pytest.importorskip("multipool_pg8000")
    zoned = "select name, timestamptz '2026-11-27 12:00+00' from numbers where id = %s"
    with Pool(params, driver="pg8000") as pool, pool.connection() as conn:
        pool.prepare(zoned)
        conn.autocommit = True
        cursor = conn.cursor()

        def fetched():
            cursor.execute(zoned, (1,))
            return cursor.fetchone()

        for _ in range(3):
            name, moment = fetched()
            assert (name, moment.tzinfo) == ("n1", UTC)
        cursor.tzinfo_factory = None
        assert fetched()[1].tzinfo is None
        conn.adapters.register_loader(25, lambda text: f"connection {text}")
        assert fetched()[0] == "connection n1"
        cursor.adapters.register_loader(25, lambda text: f"cursor {text}")
        assert fetched()[0] == "cursor n1"
        cursor.adapters.register_loader(25, int)
        with pytest.raises(ValueError, match="n1"):
            fetched()
        assert fetch(conn, zoned, (2,))[0][0] == "connection n2"
        (before,) = pool.plans()
        conn.binding = "client"
        assert fetch(conn, zoned, (3,))[0][0] == "connection n3"
        (after,) = pool.plans()
        assert after.calls == before.calls
        assert isinstance(conn, multipool_pg8000.Connection)
