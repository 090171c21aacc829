"""Case 19: a transaction left prepared."""

from __future__ import annotations

import secrets

import pytest
from hard_cases.outside import run
from support import until


@pytest.fixture
def xid(outside):
    """The id of a transaction; whatever is left prepared is rolled back after the test."""
    if outside.ask("show max_prepared_transactions") == [("0",)]:
        pytest.skip("the server has max_prepared_transactions = 0")
    yield f"left prepared {secrets.token_hex(4)}"
    for (gid,) in outside.ask(
        "select gid from pg_prepared_xacts where database = current_database()"
    ):
        outside.run(f"rollback prepared '{gid}'")


def test_a_transaction_left_prepared_costs_its_connection_and_its_id_is_logged(
    make_pool, outside, driver, xid, caplog
):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    first = driver.backend_pid(conn)
    conn.tpc_begin(conn.xid(0, xid, "b"))
    run(conn, "select 1")
    conn.tpc_prepare()
    ((gid,),) = outside.ask("select gid from pg_prepared_xacts")
    pool.putconn(conn)
    until(lambda: first not in outside.pids())
    with pool.connection(timeout=5) as other:
        assert driver.backend_pid(other) != first
    assert f"xid {gid!r}" in caplog.text  # as ROLLBACK PREPARED wants it
    assert "pool 'shop'" in caplog.text


def test_a_two_phase_transaction_that_was_finished_costs_nothing(make_pool, driver, xid):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    conn.tpc_begin(conn.xid(0, xid, "b"))
    run(conn, "select 1")
    conn.tpc_prepare()
    conn.tpc_rollback()
    pool.putconn(conn)
    assert pool.getconn() is conn
