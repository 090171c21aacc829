"""Case 19: a transaction left prepared."""

from __future__ import annotations

import secrets

import pytest
from hard_cases.outside import ask, run
from support import until

from multipool.driver import IDLE


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


@pytest.mark.parametrize("reset", ["auto", "never"])
def test_a_transaction_left_prepared_costs_its_connection_and_its_id_is_logged(
    make_pool, outside, driver, xid, caplog, reset
):
    pool = make_pool(max_size=1, reset=reset)
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


@pytest.mark.parametrize("reset", ["auto", "never"])
def test_a_two_phase_transaction_that_could_not_be_prepared_is_nothing_to_the_next_borrower(
    make_pool, driver, xid, reset
):
    pool = make_pool(max_size=1, reset=reset)
    conn = pool.getconn()
    conn.tpc_begin(conn.xid(0, xid, "b"))
    run(conn, "notify news")  # with which it cannot be
    with pytest.raises(driver.DatabaseError):
        conn.tpc_prepare()
    assert driver.status(conn) == IDLE
    pool.putconn(conn)
    with pool.connection(timeout=5) as other:
        run(other, "select 1")
        other.commit()


def test_a_two_phase_transaction_that_was_not_prepared_is_rolled_back(make_pool, driver, xid):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    conn.tpc_begin(conn.xid(0, xid, "b"))
    run(conn, "create table never_made ()")
    pool.putconn(conn)
    with pool.connection(timeout=5) as other:
        assert ask(other, "select to_regclass('never_made')") == [(None,)]
