"""What is prepared survives what happens to it; where that can be, the user sees no error."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from plans.conftest import BY_ID, fetch, held, run
from support import Thread


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_table_that_somebody_alters_is_read_as_it_is_now(prepared, outside, autocommit):
    run(outside, "alter table numbers add column more integer default 5")
    with prepared.connection() as conn:
        conn.autocommit = autocommit
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
        assert len(held(conn)) == 1


def test_a_table_that_its_borrower_alters_is_read_as_it_is_now_in_the_same_transaction(prepared):
    with prepared.connection() as conn:
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        run(conn, "alter table numbers add column more integer default 5")
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
        conn.rollback()
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]


def test_a_table_that_its_borrower_alters_by_executemany_is_read_as_it_is_now(prepared):
    with prepared.connection() as conn:
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        altering = "alter table numbers add column more integer default 5"
        conn.cursor().executemany(altering, [()])
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
        conn.rollback()
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]


@pytest.mark.parametrize("back", ["to a savepoint", "altogether"])
def test_a_table_altered_in_vain_is_read_as_it_was(prepared, back):
    with prepared.connection() as conn:
        run(conn, "savepoint s")
        run(conn, "alter table numbers add column more integer default 5")
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
        if back == "to a savepoint":
            run(conn, "rollback to savepoint s")
        else:
            conn.rollback()
            run(conn, "savepoint s")  # in a transaction already, where an error would be seen
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]


@pytest.mark.parametrize("autocommit", [True, False])
def test_after_a_transaction_that_altered_a_table_statements_are_prepared_again(
    prepared, autocommit
):
    with prepared.connection() as conn:
        conn.autocommit = autocommit
        run(conn, "alter table numbers add column more integer default 5")
        if not autocommit:
            conn.commit()
        calls = prepared.plans()[0].calls
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1", 5)]
        assert prepared.plans()[0].calls == calls + 3


def test_one_connection_that_alters_a_table_is_heard_of_by_the_others(make_pool, table):
    pool = make_pool(max_size=2)
    pool.prepare(BY_ID)
    with pool.connection() as one, pool.connection() as other:
        for conn in (one, other):
            fetch(conn, BY_ID, (1,))
            conn.commit()
        run(one, "alter table numbers add column more integer default 5")
        one.commit()
        fetch(other, "select 1")  # in a transaction already
        assert fetch(other, BY_ID, (1,)) == [(1, "n1", 5)]


def test_a_column_that_somebody_renames_is_described_by_its_new_name(prepared, outside):
    with prepared.connection() as conn:
        conn.autocommit = True
        assert _names(conn) == _names(conn) == ["id", "name"]
        run(outside, "alter table numbers rename column name to called")
        assert _names(conn) == _names(conn) == ["id", "called"]


def test_a_prepared_statement_is_described_in_each_transaction_and_without_rows(prepared):
    with prepared.connection() as conn:
        for _ in range(3):
            assert fetch(conn, BY_ID, (11,)) == []
            assert _names(conn) == _names(conn) == ["id", "name"]
            conn.commit()


def _names(conn):
    """Return the names of the columns of `BY_ID`."""
    cursor = conn.cursor()
    try:
        cursor.execute(BY_ID, (1,))
        assert [tuple(row) for row in cursor.fetchall()] == [(1, "n1")]
        return [column[0] for column in cursor.description]
    finally:
        cursor.close()


def test_a_table_dropped_and_made_anew_is_found(prepared, outside):
    run(outside, "drop table numbers")
    run(outside, "create table numbers (id bigint, name integer)")
    run(outside, "insert into numbers values (1, 2)")
    with prepared.connection() as conn:
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, 2)]


def test_a_table_that_is_gone_is_the_same_error_as_unprepared(prepared, driver, outside):
    run(outside, "drop table numbers")
    with pytest.raises(driver.DatabaseError) as raised, prepared.connection() as conn:
        fetch(conn, BY_ID, (1,))
    assert driver.sqlstate(raised.value) == "42P01"
    assert "select * from numbers" in str(raised.value)


def test_values_that_are_called_as_commands_have_nothing_prepared_anew(prepared):
    with prepared.connection() as conn:
        calls = prepared.plans()[0].calls
        for _ in range(3):
            fetch(conn, "select 'create', 'drop'")
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
    assert prepared.plans()[0].calls == calls + 3


@pytest.mark.parametrize("sql", ["discard all", "deallocate all", "discard plans"])
def test_what_a_borrower_discards_is_prepared_anew(prepared, sql):
    with prepared.connection() as conn:
        conn.autocommit = True
        run(conn, sql)
        conn.autocommit = False
        run(conn, "savepoint a")  # in a transaction already, where an error would be seen
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        assert len(held(conn)) == 1


def test_what_a_borrower_discards_by_executemany_is_prepared_anew(prepared):
    with prepared.connection() as conn:
        conn.cursor().executemany("deallocate all", [()])
        for _ in range(3):  # in that transaction, where an error would be seen
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        assert len(held(conn)) == 1


@pytest.mark.parametrize("autocommit", [True, False])
def test_what_is_discarded_behind_our_back_is_prepared_anew(prepared, autocommit):
    with prepared.connection() as conn:
        run(conn, "do $$ begin execute 'deal' || 'locate all'; end $$")
        conn.commit()
        conn.autocommit = autocommit
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        assert len(held(conn)) == 1


@pytest.mark.parametrize("reset", ["auto", "always", "discard all", "deallocate all"])
def test_the_pools_own_reset_is_noticed(make_pool, table, reset):
    pool = make_pool(max_size=1, reset=reset)
    pool.prepare(BY_ID)
    for _ in range(3):
        with pool.connection() as conn:
            run(conn, "set multipool.test to 'x'")
            assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
            assert len(held(conn)) == 1


def test_a_transaction_that_is_rolled_back_takes_nothing_prepared_with_it(pool, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        run(conn, "insert into numbers values (77, null)")
        fetch(conn, BY_ID, (1,))
        names = held(conn)
        conn.rollback()
        assert fetch(conn, BY_ID, (77,)) == []
        assert held(conn) == names


def test_a_savepoint_rolled_back_over_a_preparation_changes_nothing(pool, driver, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        run(conn, "savepoint a")
        fetch(conn, BY_ID, (1,))
        with pytest.raises(driver.DatabaseError):
            run(conn, "select 1/0")
        run(conn, "rollback to savepoint a")
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        assert len(held(conn)) == 1


def test_in_a_failed_transaction_the_user_sees_that_it_failed(prepared, driver):
    with prepared.connection() as conn:
        with pytest.raises(driver.DatabaseError):
            run(conn, "select 1/0")
        with pytest.raises(driver.DatabaseError) as raised:
            fetch(conn, BY_ID, (1,))
        assert driver.sqlstate(raised.value) == "25P02"
        conn.rollback()
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]


def test_a_preparation_that_fails_leaves_the_transaction_alone(pool, driver, table, outside):
    """The statement reads a table that its transaction cannot see yet, so PREPARE fails."""
    pool.prepare("select * from later where id = %s")
    with pool.connection() as conn:
        run(conn, "insert into numbers values (50, 'kept')")
        with pytest.raises(driver.DatabaseError, match="later"):
            fetch(conn, "select * from later where id = %s", (1,))
        conn.rollback()
        run(outside, "create table later (id integer)")
        assert fetch(conn, "select * from later where id = %s", (1,)) == []
    run(outside, "drop table later")


def test_what_was_to_be_dropped_is_though_a_value_that_cannot_be_sent_came_between(make_pool):
    pool = make_pool(max_size=1, prepare={"max": 1})
    one, other = "select %s::text || 'one'", "select %s::text || 'other'"
    pool.prepare(one)
    pool.prepare(other)
    with pool.connection() as conn:
        conn.autocommit = True
        assert fetch(conn, one, ("this ",)) == [("this one",)]
        with pytest.raises(UnicodeEncodeError):
            fetch(conn, other, ("\ud800",))
        for _ in range(2):
            assert fetch(conn, other, ("this ",)) == [("this other",)]
        assert len(held(conn)) == 1


@pytest.mark.parametrize("back", ["set", "rollback", "return"])
def test_a_text_with_backslashes_is_read_as_the_session_reads_it(make_pool, table, back):
    sql = r"select '\\' || %s::text"
    pool = make_pool(max_size=1)
    pool.prepare(sql)
    alone, doubled = [("\\1",)], [("\\\\1",)]
    with pool.connection() as conn:
        conn.autocommit = back != "rollback"
        assert fetch(conn, sql, ("1",)) == doubled
        run(conn, "set standard_conforming_strings to off; set escape_string_warning to off")
        for _ in range(3):
            assert fetch(conn, sql, ("1",)) == alone
        if back == "set":
            run(conn, "set standard_conforming_strings to on")
        elif back == "rollback":
            conn.rollback()
        if back != "return":
            assert fetch(conn, sql, ("1",)) == doubled
    with pool.connection() as conn:
        assert fetch(conn, sql, ("1",)) == doubled


def test_what_fails_prepared_is_executed_once_more_and_no_oftener(pool, driver):
    sql = "select counted(%s)"
    pool.prepare(sql)
    with pool.connection() as conn:
        conn.autocommit = True
        run(conn, "create temporary sequence executions")
        run(
            conn,
            "create function counted(i integer) returns bigint language plpgsql as $$begin"
            " perform nextval('executions');"
            " if i = 0 then raise undefined_object; end if; return i; end$$",
        )
        try:
            for _ in range(3):
                assert fetch(conn, sql, (1,)) == [(1,)]
            with pytest.raises(driver.Error, match="undefined_object"):
                fetch(conn, sql, (0,))
            [(executed,)] = fetch(conn, "select last_value from executions")
            assert executed == 3 + 2
        finally:
            run(conn, "drop function counted")


def test_a_killed_connection_is_replaced_by_one_that_prepares_again(prepared, driver, outside):
    with suppress(driver.Error), prepared.connection() as conn:
        fetch(outside, f"select pg_terminate_backend({driver.backend_pid(conn)})")
        fetch(conn, BY_ID, (1,))
    with prepared.connection() as conn:
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]
        assert len(held(conn)) == 1


def test_a_cancelled_execution_is_the_users_error_and_no_reason_to_give_up(pool, driver, table):
    sql = "select pg_sleep(%s::float8)"
    pool.prepare(sql)
    with pool.connection() as conn:
        fetch(conn, sql, (0,))
        conn.commit()
        run(conn, "set local statement_timeout to 20")
        with pytest.raises(driver.DatabaseError) as raised:
            fetch(conn, sql, (5,))
        assert driver.sqlstate(raised.value) == "57014"
        conn.rollback()
        fetch(conn, sql, (0,))
    assert pool.plans()[0].state == "prepared"


def test_threads_share_what_is_known_of_a_statement(make_pool, table):
    pool = make_pool(max_size=4, prepare={"threshold": 2})

    def work():
        for number in range(200):
            with pool.connection() as conn:
                key = 1 + number % 10
                assert fetch(conn, BY_ID, (key,)) == [(key, f"n{key}")]

    for thread in [Thread(work) for _ in range(8)]:
        thread.outcome(60)
    plan = next(plan for plan in pool.plans() if plan.sql == BY_ID)
    assert plan.calls + plan.unprepared_calls == 1600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_prepares_on_connections_of_its_own(prepared):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with prepared.connection() as conn:
                fetch(conn, BY_ID, (1,))
                status = 0 if len(held(conn)) == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with prepared.connection() as conn:
        assert fetch(conn, BY_ID, (1,)) == [(1, "n1")]


SMALL, GREAT = 7, 5_000_000_000  # of different types to PostgreSQL


def test_threads_that_execute_a_statement_first_with_other_types_each_prepare_their_own(
    make_pool, table
):
    """Each in a transaction, where an error would be seen."""
    pool = make_pool(max_size=2)
    for number in range(20):
        pool.prepare(f"select id + {number} from numbers where id = %s")
    gate = threading.Barrier(2)

    def work(key):
        with pool.connection() as conn:
            for number in range(20):
                gate.wait(10)
                fetch(conn, "select 1")
                for value in (key, GREAT, SMALL, GREAT, SMALL):
                    expected = [(SMALL + number,)] if value == SMALL else []
                    sql = f"select id + {number} from numbers where id = %s"
                    assert fetch(conn, sql, (value,)) == expected

    for thread in [Thread(partial(work, key)) for key in (SMALL, GREAT)]:
        thread.outcome(30)


def test_threads_that_share_a_connection_prepare_a_statement_once(pool, table):
    """In a transaction, which a second PREPARE under the same name would end."""
    statements = [f"select %s::int + {number}" for number in range(20)]
    for sql in statements:
        pool.prepare(sql)
    gate = threading.Barrier(4)

    def work(conn):
        for sql in statements:
            gate.wait(10)
            conn.cursor().execute(sql, (1,))

    with pool.connection() as conn:
        fetch(conn, "select 1")
        for thread in [Thread(partial(work, conn)) for _ in range(4)]:
            thread.outcome(30)
        assert len(held(conn)) == len(statements)


def test_a_failure_in_a_transaction_that_another_thread_has_begun_since_takes_nothing_from_it(
    pool, driver, table, monkeypatch
):
    sql = "select name from numbers where id = %s"
    pool.prepare(sql)
    begun = []

    def clock():
        """Come between the look whether there is a transaction, and the execution."""
        if not begun:
            begun.append(True)
            change = "insert into numbers values (99); alter table numbers rename name to was"
            Thread(lambda: run(conn, change)).outcome()
        return time.perf_counter()

    with pool.connection() as conn:
        for _ in range(3):
            assert fetch(conn, sql, (1,)) == [("n1",)]
        Thread(lambda: fetch(conn, "select 1")).outcome()
        conn.commit()
        adapter = f"multipool_{driver.name}"
        for name in ("multipool.plans.by_text", f"{adapter}.planned", f"{adapter}.everyday"):
            monkeypatch.setattr(f"{name}.perf_counter", clock, raising=False)
        with pytest.raises(driver.Error, match="name"):
            fetch(conn, sql, (1,))
        assert begun
        # As without anything prepared: not a new transaction, without that row.
        with pytest.raises(driver.Error, match="aborted"):
            fetch(conn, "select count(*) from numbers")
        conn.rollback()


@pytest.mark.parametrize("autocommit", [True, False])
def test_threads_that_share_a_connection_may_execute_more_than_it_holds(make_pool, autocommit):
    """What one of them had the server drop, another would be about to execute."""
    pool = make_pool(max_size=1, prepare={"threshold": 1, "max": 2})

    def work(conn, first):
        for number in range(first, first + 300):
            constant = number % 7
            assert fetch(conn, f"select %s::int + {constant}", (first,)) == [(first + constant,)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with pool.connection() as conn:
            conn.autocommit = autocommit
            run(conn, "select 1")
            for thread in [Thread(partial(work, conn, first)) for first in range(4)]:
                thread.outcome(60)
            assert 0 < len(held(conn)) <= 2 * 2
    finally:
        sys.setswitchinterval(interval)
    assert sum(plan.calls for plan in pool.plans()) > 0


def test_threads_that_share_a_connection_may_end_each_others_transactions(make_pool, driver, table):
    """What is dropped between two transactions, another would be about to begin one with."""
    pool = make_pool(max_size=1, prepare={"threshold": 1, "max": 2})

    def work(conn, first):
        for number in range(first, first + 200):
            constant = number * 5 % 7
            assert fetch(conn, f"select %s::int + {constant}", (first,)) == [(first + constant,)]
            conn.commit()

    with pool.connection() as conn:
        for thread in [Thread(partial(work, conn, first)) for first in range(4)]:
            thread.outcome(60)
        assert len(held(conn)) <= 2 * 2
    assert sum(plan.calls for plan in pool.plans()) > 0


def test_what_finds_no_room_in_a_transaction_that_threads_share_is_prepared_after_it(make_pool):
    pool = make_pool(max_size=1, prepare={"threshold": 1, "max": 2})
    statements = [f"select %s::int + {number}" for number in range(6)]
    gate = threading.Barrier(2)

    def work(conn, *, even):
        for number, sql in enumerate(statements):
            if even is (number % 2 == 0):
                for _ in range(3):
                    assert fetch(conn, sql, (1,)) == [(1 + number,)]
            gate.wait(10)

    with pool.connection() as conn:
        for thread in [Thread(partial(work, conn, even=even)) for even in (True, False)]:
            thread.outcome(30)
        conn.commit()
        assert fetch(conn, statements[5], (1,)) == [(6,)]
        assert len(held(conn)) <= 2 * 2
    plans = {plan.sql: plan for plan in pool.plans()}
    assert plans[statements[5]].calls > 0


def test_a_first_execution_that_fails_each_time_leaves_no_more_behind_than_one(
    make_pool, driver, table
):
    pool = make_pool(max_size=1, prepare={"threshold": 1})
    with pool.connection() as conn:
        conn.autocommit = True
        for _ in range(20):
            with pytest.raises(driver.Error):
                fetch(conn, "insert into numbers values (%s, 'again')", (1,))
        assert len(conn._multipool_shelf.leftover) <= 1
