"""The short way of what is prepared and watched does what the long one does."""

from __future__ import annotations

import pytest
from plans.conftest import BY_ID, fetch, held
from support import line_of

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


def test_a_pipeline_collects_what_is_prepared(prepared, way):
    if way != "psycopg":
        pytest.skip("has no pipelines")
    with prepared.connection() as conn:
        with conn.pipeline():
            cursors = [conn.cursor().execute(BY_ID, (key,)) for key in (1, 2, 3)]
        assert [cursor.fetchone() for cursor in cursors] == [(1, "n1"), (2, "n2"), (3, "n3")]
        assert fetch(conn, BY_ID, (4,)) == [(4, "n4")]
