"""The short way of a connection's ``execute`` and ``cursor`` does what psycopg's does."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.rows import dict_row
from support import line_of

from multipool import Pool


@pytest.fixture
def pool(params):
    with Pool(params, driver="psycopg", max_size=1) as pool:
        yield pool


def twice(conn, query, *params):
    """Execute *query* by both ways: the first time its text is looked at, the second known."""
    return [conn.execute(query, *params).fetchone() for _ in range(2)]


def test_a_connection_executes_with_parameters_and_without(pool):
    with pool.connection() as conn:
        assert twice(conn, "select 1") == [(1,), (1,)]
        assert twice(conn, "select %s::int", (2,)) == [(2,), (2,)]
        assert twice(conn, "select %(n)s::int", {"n": 3}) == [(3,), (3,)]


def test_the_row_factory_of_the_connection_is_heard(pool):
    with pool.connection() as conn:
        conn.row_factory = dict_row
        assert twice(conn, "select 1 as one") == [{"one": 1}] * 2
        assert conn.cursor().execute("select 1 as one").fetchone() == {"one": 1}
        own = conn.cursor(row_factory=psycopg.rows.scalar_row)
        assert own.execute("select 1 as one").fetchone() == 1


def test_binary_results_are_had_by_execute_and_by_cursor(pool):
    with pool.connection() as conn:
        for cursor in (
            conn.execute("select 1", binary=True),
            conn.cursor(binary=True).execute("select 1"),
        ):
            assert cursor.pgresult.fformat(0) == psycopg.pq.Format.BINARY


def test_an_execute_of_the_users_own_cursor_class_is_called(pool):
    executed = []

    class Mine(psycopg.Cursor):
        def execute(self, query, *args, **options):
            executed.append(query)
            return super().execute(query, *args, **options)

    with pool.connection() as conn:
        conn.cursor_factory = Mine
        twice(conn, "select 1")
    assert executed == ["select 1"] * 2


def test_an_initialiser_of_the_users_own_cursor_class_is_given_the_row_factory(pool):
    given = []

    class Mine(psycopg.Cursor):
        def __init__(self, connection, *, row_factory=None):
            given.append(row_factory)
            super().__init__(connection, row_factory=row_factory)

    with pool.connection() as conn:
        conn.cursor_factory = Mine
        conn.row_factory = dict_row
        assert twice(conn, "select 1 as one") == [{"one": 1}] * 2
    assert given == [dict_row] * 2


def test_an_heir_of_the_pools_cursor_class_has_its_execute_called(pool):
    executed = []
    with pool.connection() as conn:

        class Heir(conn.cursor_factory):
            def execute(self, query, *args, **options):
                executed.append(query)
                return super().execute(query, *args, **options)

        conn.cursor_factory = Heir
        twice(conn, "select 1")
    assert executed == ["select 1"] * 2


def test_what_touches_the_session_is_seen_each_time(pool):
    for _ in range(2):
        with pool.connection() as conn:
            before = conn.execute("show application_name").fetchone()
            conn.execute("set application_name to 'somebody'")
        assert before != ("somebody",)


def test_a_closed_connection_says_what_psycopgs_does(pool, params):
    bare = psycopg.connect(**params)
    bare.close()
    conn = pool.getconn()
    conn.execute("select 1")
    conn.pgconn.finish()
    for use in (lambda conn: conn.execute("select 1"), lambda conn: conn.cursor()):
        with pytest.raises(psycopg.OperationalError) as theirs:
            use(bare)
        with pytest.raises(psycopg.OperationalError) as ours:
            use(conn)
        assert str(ours.value) == str(theirs.value)
    conn.close()


def test_an_error_of_the_server_ends_the_statement_for_the_watch_too(pool):
    with pool.connection() as conn:
        for _ in range(2):
            with pytest.raises(psycopg.errors.DivisionByZero):
                conn.execute("select 1 / 0")
            (holder,) = pool.held(0)
            assert holder.state == "idle in transaction (aborted)"
            conn.rollback()


def test_the_line_of_execute_is_that_of_the_cursor_and_of_the_query(pool):
    def use(conn):
        for _ in range(2):
            conn.execute("select 1")
            (holder,) = pool.held(0)
            assert holder.cursor[0] == holder.query[0] == line_of(use, 'execute("select 1")')

    with pool.connection() as conn:
        use(conn)
