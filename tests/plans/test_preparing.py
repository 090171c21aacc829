"""A statement that is asked for is executed prepared, and means what it meant."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import logging
import re
from contextlib import contextmanager
from enum import IntEnum
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

import pytest
from plans.conftest import CLIENT, fetch, held, run

from multipool import PoolConfigError

BY_ID = "select name from numbers where id = %s"

#: What psycopg refuses, prepared or not, since it binds whatever it is given.
UNBOUND = (
    "select %s is null",
    "select concat(%s, %s)",
    "select interval %s = interval '1 day'",
)


class Weekday(IntEnum):
    """A day with a number."""

    FRIDAY = 5


DAY = datetime.date(2026, 11, 22)


def test_a_statement_is_prepared_with_its_first_execution_and_used_from_then_on(pool, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        for number in range(1, 6):
            assert fetch(conn, BY_ID, (number,)) == [(f"n{number}",)]
        assert list(held(conn)) == ["select name from numbers where id = $1"]
    (plan,) = pool.plans()
    assert (plan.sql, plan.state, plan.calls, plan.asked) == (BY_ID, "prepared", 5, True)


def test_other_statements_are_left_alone(pool, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        for _ in range(10):
            fetch(conn, "select id from numbers where name = %s", ("n1",))
        assert held(conn) == {}
    assert len(pool.plans()) == 1


def test_it_reaches_connections_that_are_lent_already(pool, table):
    with pool.connection() as conn:
        pool.prepare(BY_ID)
        assert fetch(conn, BY_ID, (3,)) == [("n3",)]
        assert len(held(conn)) == 1


def test_what_is_prepared_survives_the_return_to_the_pool(pool, table):
    pool.prepare(BY_ID)
    names = []
    for _ in range(3):
        with pool.connection() as conn:
            fetch(conn, BY_ID, (1,))
            names.append(held(conn))
    assert names[0]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("select %s::text", ("it's",), "it's"),
        ("select %s::text", ("back\\slash",), "back\\slash"),
        ("select %s::text || '100%%'", ("a",), "a100%"),
        ("select %(a)s::integer - %(b)s::integer + %(a)s::integer", {"a": 5, "b": 3}, 7),
        ("select 7 / %s", (2,), 3),
        ("select 7 / %s", (decimal.Decimal("2.5"),), decimal.Decimal("2.8")),
        ("select %s::bigint", (2**40,), 2**40),
        ("select %s::numeric", (2**70,), decimal.Decimal(2**70)),
        ("select %s::integer", (-(2**31) + 1,), -(2**31) + 1),
        ("select %s", (True,), True),
        ("select %s - 1", (DAY,), DAY - datetime.timedelta(1)),
        ("select %s::text is null", (None,), True),
        ("select %s is null", (None,), True),
        ("select coalesce(%s, %s)", (None, 4), 4),
        ("select count(*) from numbers where id = any(%s)", ([1, 2, 99],), 2),
        ("select count(*) from numbers where name = any(%s)", (["n1", "x"],), 1),
        ("select count(*) from numbers where id in (%s, %s, %s)", (1, 2, 3), 3),
        ("select id from numbers order by 1 desc limit %s", (1,), 10),
        ("select concat(%s, %s)", ("a", "b"), "ab"),
        ("select interval %s = interval '1 day'", ("1 day",), True),
        ("select count(*) from numbers group by id + %s, 1 + %s limit 1", (1, 1), 1),
        ("select '%%s %% ' || %s /* %% */", ("x",), "%s % x"),
        ("with n as (select %s::integer as i) select i from n", (4,), 4),
        ("(select %s::integer) union (select 4)", (4,), 4),
        ("values (%s::integer)", (4,), 4),
    ],
)
def test_a_prepared_statement_means_what_it_means_unprepared(
    make_pool, way, table, autocommit, sql, values, expected
):
    if way == "psycopg" and sql in UNBOUND:
        pytest.skip("psycopg does not bind this")
    plain, planned = make_pool(), make_pool()
    planned.prepare(sql)
    with plain.connection() as one, planned.connection() as other:
        one.autocommit = other.autocommit = autocommit
        assert fetch(one, sql, values) == [(expected,)]
        for _ in range(8):
            assert fetch(other, sql, values) == [(expected,)]
            assert type(fetch(other, sql, values)[0][0]) is type(fetch(one, sql, values)[0][0])


def test_parameters_of_another_type_are_another_prepared_statement(pool, table):
    sql = "select pg_typeof(%s + 0)::text"
    pool.prepare(sql)
    with pool.connection() as conn:
        seen = [fetch(conn, sql, (value,))[0][0] for value in (1.5, 2**40, 1, 2**40, 1.5)]
        fetch(conn, "select 1")
    assert seen[0] == seen[4]
    assert seen[1] == seen[3] == "bigint"
    assert seen[0] != seen[1]


@pytest.mark.parametrize("usual", [1, 2**40])
def test_an_integer_is_what_it_is_unprepared_whatever_came_before(make_pool, table, usual):
    sql = "select pg_typeof(%s)::text, %s"
    edges = [0, 2**15, 2**31 - 1, 2**31, 10**18 - 1, 10**18, 2**63, 10**30, True, Weekday.FRIDAY]
    plain, planned = make_pool(), make_pool()
    planned.prepare(sql)
    with plain.connection() as one, planned.connection() as other:
        for value in [sign * edge for edge in edges for sign in (1, -1)]:
            for _ in range(3):
                fetch(other, sql, (usual, usual))
            for both in (value, value), (value, usual), [usual, value]:
                assert fetch(other, sql, both) == fetch(one, sql, both)


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3), [1], {"a": 1}, 1])
def test_too_few_or_too_many_integers_are_the_drivers_own_error(make_pool, table, values):
    sql = "select id from numbers where id in (%s, %s)"
    plain, planned = make_pool(), make_pool()
    planned.prepare(sql)
    with plain.connection() as one, planned.connection() as other:
        for _ in range(3):
            fetch(other, sql, (1, 2))
        with pytest.raises(Exception, match=r".") as unprepared:
            fetch(one, sql, values)
        with pytest.raises(type(unprepared.value), match=re.escape(str(unprepared.value))):
            fetch(other, sql, values)


def test_who_adapts_integers_otherwise_is_heeded(pool, driver, way, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        for _ in range(3):
            assert fetch(conn, BY_ID, (1,)) == [("n1",)]
        with _one_more(driver.name, conn):
            assert fetch(conn, BY_ID, (1,)) == [("n2",)]


@contextmanager
def _one_more(driver, conn):
    """Have each integer sent as the one that follows it."""
    if driver == "psycopg2":
        from psycopg2.extensions import AsIs, Int, register_adapter

        register_adapter(int, lambda value: AsIs(value + 1))
        yield
        register_adapter(int, Int)
    elif driver == "psycopg":
        from psycopg.adapt import Dumper

        class OneMore(Dumper):
            oid = 23

            def dump(self, obj):
                return str(obj + 1).encode()

            def quote(self, obj):
                return self.dump(obj)

        conn.adapters.register_dumper(int, OneMore)
        yield
    else:
        conn.adapters.register_dumper(int, lambda value, adapters: adapters.dump(str(value + 1)))
        yield


def test_a_position_in_order_by_stays_a_position(pool, way, table):
    if way not in ("psycopg2", CLIENT):
        pytest.skip("binds on the server, where a number in ORDER BY is no position")
    sql = "select id, name from numbers order by %s desc"
    pool.prepare(sql)
    with pool.connection() as conn:
        for _ in range(3):
            assert fetch(conn, sql, (1,))[0][0] == 10


def test_statements_without_parameters_and_those_that_write_are_prepared_too(pool, table):
    count, insert = "select count(*), '100%' from numbers", "insert into numbers values (%s, %s)"
    pool.prepare(count)
    pool.prepare(insert)
    with pool.connection() as conn:
        for number in range(20, 23):
            cursor = conn.cursor()
            cursor.execute(insert, (number, None))
            assert cursor.rowcount == 1
            cursor.close()
        assert fetch(conn, count) == [(13, "100%")]
        assert len(held(conn)) == 2


def test_an_error_of_a_prepared_statement_is_the_users_as_it_is_unprepared(pool, driver, table):
    sql = "select 1 / %s"
    pool.prepare(sql)
    with pytest.raises(driver.DatabaseError) as raised, pool.connection() as conn:
        fetch(conn, sql, (1,))
        fetch(conn, sql, (0,))
    assert driver.sqlstate(raised.value) == "22012"
    with pool.connection() as conn:
        assert fetch(conn, sql, (1,)) == [(1,)]


def test_the_cursor_shows_the_statement_that_was_asked_for(pool, way, table):
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        cursor = conn.cursor()
        for _ in range(3):
            cursor.execute(BY_ID, (7,))
            if way == CLIENT:
                assert cursor._query.query == b"select name from numbers where id = 7"
            elif way != "psycopg":
                assert cursor.query == b"select name from numbers where id = 7"
            assert cursor.description[0][0] == "name"
            assert cursor.rowcount == 1
        cursor.close()


# -- handles ------------------------------------------------------------------------------


def test_a_handle_asks_until_the_end_of_its_block(pool, table):
    with pool.connection() as conn:
        with pool.prepare(BY_ID):
            fetch(conn, BY_ID, (1,))
        fetch(conn, BY_ID, (1,))
        (plan,) = pool.plans()
        assert (plan.calls, plan.unprepared_calls, plan.asked) == (1, 1, False)


def test_a_handle_may_be_entered_over_and_over_and_the_server_keeps_the_statement(pool, table):
    handle = pool.prepare(BY_ID)
    with pool.connection() as conn:
        names = []
        for _ in range(3):
            with handle:
                fetch(conn, BY_ID, (1,))
                names.append(held(conn))
    assert names[0] == names[1] == names[2]
    assert pool.plans()[0].calls == 3


def test_a_handle_decorates_a_function(pool, table):
    @pool.prepare(BY_ID)
    def view(number):
        """Documented."""
        with pool.connection() as conn:
            return fetch(conn, BY_ID, (number,))

    assert view.__doc__ == "Documented."
    assert not pool.plans()[0].asked
    assert view(2) == [("n2",)]
    with pool.connection() as conn:
        fetch(conn, BY_ID, (2,))
    (plan,) = pool.plans()
    assert (plan.calls, plan.unprepared_calls) == (1, 1)


def _generator(ask):
    def decorated():
        yield ask()

    return decorated, lambda function: list(function())


def _coroutine(ask):
    async def decorated():
        return [ask()]

    return decorated, lambda function: asyncio.run(function())


def _asynchronous_generator(ask):
    async def decorated():
        yield ask()

    async def collect(function):
        return [one async for one in function()]

    return decorated, lambda function: asyncio.run(collect(function))


@pytest.mark.parametrize("kind", [_generator, _coroutine, _asynchronous_generator])
def test_a_handle_decorates_what_runs_only_when_it_is_awaited_or_iterated(pool, table, kind):
    def ask():
        with pool.connection() as conn:
            fetch(conn, BY_ID, (1,))
            return pool.plans()[0].asked

    function, run_to_its_end = kind(ask)
    decorated = pool.prepare(BY_ID)(function)
    for is_of_kind in (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction):
        assert is_of_kind(decorated) is is_of_kind(function)
    assert run_to_its_end(decorated) == [True]
    (plan,) = pool.plans()
    assert (plan.calls, plan.asked) == (1, False)


def test_a_handle_is_closed_once(pool):
    first, second = pool.prepare(BY_ID), pool.prepare(BY_ID)
    first.close()
    first.close()
    assert pool.plans()[0].asked
    second.close()
    assert not pool.plans()[0].asked


# -- pages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "values"),
    [("", None), ("where id > %s ", (0,)), ("where id > %(least)s ", {"least": 0})],
)
def test_all_pages_share_one_plan_when_limits_are_parameters(pool, table, where, values):
    text = f"select id from numbers {where}order by id LIMIT"
    pool.prepare(f"{text} 2", limits=True)
    with pool.connection() as conn:
        assert fetch(conn, f"{text} 2", values) == [(1,), (2,)]
        assert fetch(conn, f"{text} 2 OFFSET 2", values) == [(3,), (4,)]
        assert fetch(conn, f"{text} 3 OFFSET 7", values) == [(8,), (9,), (10,)]
        assert len(held(conn)) == 1
    (plan,) = pool.plans()
    assert plan.calls == 3


def test_without_the_option_each_page_is_a_statement_of_its_own(pool, table):
    pool.prepare("select id from numbers order by id LIMIT 2")
    with pool.connection() as conn:
        fetch(conn, "select id from numbers order by id LIMIT 2")
        fetch(conn, "select id from numbers order by id LIMIT 2 OFFSET 2")
        assert len(held(conn)) == 1


# -- by themselves ------------------------------------------------------------------------


def test_a_statement_is_prepared_by_itself_after_threshold_executions(make_pool, table):
    pool = make_pool(max_size=1, prepare={"threshold": 3})
    with pool.connection() as conn:
        for _ in range(3):
            fetch(conn, BY_ID, (1,))
            assert BY_ID.replace("%s", "$1") not in held(conn)
        fetch(conn, BY_ID, (1,))
        assert BY_ID.replace("%s", "$1") in held(conn)


def test_the_count_is_each_connections_own(make_pool, table):
    pool = make_pool(max_size=2, prepare={"threshold": 2})
    with pool.connection() as one, pool.connection() as other:
        for _ in range(3):
            fetch(one, BY_ID, (1,))
        fetch(other, BY_ID, (1,))
        assert BY_ID.replace("%s", "$1") not in held(other)


def test_the_least_recently_used_goes_when_there_are_too_many(make_pool, table):
    pool = make_pool(max_size=1, prepare={"max": 3})
    texts = [f"select name, {number} from numbers where id = %s" for number in range(5)]
    for text in texts:
        pool.prepare(text)
    with pool.connection() as conn:
        for text in texts:
            fetch(conn, text, (1,))
        found = held(conn)
        assert len(found) <= 4  # the last one's predecessor may be dropped with the next
        assert texts[4].replace("%s", "$1") in found
        assert texts[0].replace("%s", "$1") not in found
        assert fetch(conn, texts[0], (1,)) == [("n1", 0)]


def test_no_more_is_held_of_what_psycopg_has_counted_itself(make_pool, driver, table):
    if driver.name != "psycopg":
        pytest.skip("psycopg's alone")
    options = {"threshold": 1, "max": 3}
    pool = make_pool(max_size=1, prepare=options, params={"prepare_threshold": 5})
    with pool.connection() as conn:
        for times in range(2):
            for number in range(3 * times, 3 * times + 3):
                fetch(conn, f"select id + {number} from numbers")
        for number in range(6):
            fetch(conn, f"select id + {number} from numbers")
        assert len(held(conn)) == 3


def test_psycopgs_own_threshold_stays_as_it_is_while_a_statement_is_prepared(
    make_pool, driver, way, table
):
    """A thread that shares the connection would see it change, and lose what it prepares."""
    if driver.name != "psycopg" or way == CLIENT:
        pytest.skip("where psycopg prepares")
    from psycopg.types.string import StrDumper

    class Name(str):
        pass

    seen = []

    class Noting(StrDumper):
        def dump(self, obj):
            seen.append(conn.prepare_threshold)
            return super().dump(str(obj))

    with make_pool(max_size=1, prepare={"threshold": 1}).connection() as conn:
        conn.adapters.register_dumper(Name, Noting)
        for _ in range(4):
            fetch(conn, "select id from numbers where name = %s", (Name("n1"),))
        assert len(held(conn)) == 1
    assert set(seen) == {None}


def test_pages_are_one_statement_by_themselves_too_if_asked_for(make_pool, table):
    pool = make_pool(max_size=1, prepare={"threshold": 1, "limits": True})
    with pool.connection() as conn:
        for page in range(4):
            text = f"select id from numbers order by id LIMIT 2 OFFSET {2 * page}"
            assert fetch(conn, text) == [(2 * page + 1,), (2 * page + 2,)]
    (plan,) = [plan for plan in pool.plans() if "order by id" in plan.sql]
    assert (plan.calls, plan.unprepared_calls) == (3, 1)


# -- the guard -----------------------------------------------------------------------------


def test_a_plan_that_turns_slow_is_given_up_with_one_line_in_the_log(pool, table, caplog):
    sql = "select pg_sleep(%s::float8)"
    pool.prepare(sql)
    with caplog.at_level(logging.WARNING, "multipool"), pool.connection() as conn:
        for _ in range(5):
            fetch(conn, sql, (0,))
        statement = pool._inner.caretaker.planner.wordings[sql].statement
        while statement.guard.reason is None:  # slow when prepared, fast when not
            fetch(conn, sql, (0.03 if statement.guard.trusted else 0,))
        fetch(conn, sql, (0,))
    (plan,) = pool.plans()
    assert plan.state == "given up"
    assert "prepared" in plan.reason
    assert plan.times_given_up == 1
    assert plan.retry_in > 0
    (record,) = caplog.records
    assert "runs unprepared for the next 60 s" in record.getMessage()


# -- what cannot be had ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["set work_mem to 1", "", "  ", 5, None, b"select 1", "select 1; select 2"]
)
def test_what_cannot_be_prepared_is_refused(pool, source):
    with pytest.raises(PoolConfigError, match=f"^pool '{pool.name}': cannot prepare"):
        pool.prepare(source)


@pytest.mark.parametrize(
    "option",
    [5, {"treshold": 1}, {"threshold": 0}, {"threshold": True}, {"max": 0}, {"limits": 1}],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(make_pool, option):
    with pytest.raises(PoolConfigError, match="'threshold' .*at least 1.*'limits'"):
        make_pool(prepare=option)


@pytest.mark.parametrize("autocommit", [True, False])
def test_what_the_server_does_not_prepare_runs_as_it_stands_and_has_its_own_errors(
    pool, driver, table, autocommit
):
    with pool.connection() as conn:
        conn.autocommit = autocommit
        with pytest.raises(driver.DatabaseError):
            fetch(conn, "select no_such_column from numbers where id = %s", (1,))
        driver.rollback(conn)
        pool.prepare("select no_such_column from numbers where id = %s")
        for _ in range(2):
            with pytest.raises(driver.DatabaseError, match="no_such_column"):
                fetch(conn, "select no_such_column from numbers where id = %s", (1,))
            driver.rollback(conn)
        run(conn, "alter table numbers add column no_such_column integer")
        assert fetch(conn, "select no_such_column from numbers where id = %s", (1,)) == [(None,)]


@pytest.mark.parametrize("limits", [False, True])
def test_several_statements_in_one_text_run_as_they_stand(make_pool, driver, table, limits):
    """In a transaction, which a PREPARE of them would end."""
    sql = "select 1; alter table numbers add column n{0} integer; select {0}, '%' limit 2"
    everything = "select * from numbers"
    pool = make_pool(max_size=1, prepare={"threshold": 1, "limits": limits})
    with pool.connection() as conn:
        run(conn, "savepoint here")
        for number in range(3):
            cursor = conn.cursor()
            cursor.execute(sql.format(number))
            if driver.name == "psycopg":
                cursor.nextset()
                cursor.nextset()
            assert [tuple(row) for row in cursor.fetchall()] == [(number, "%")]
            # What they alter is heeded.
            assert len(fetch(conn, everything)[0]) == 3 + number
        run(conn, "release savepoint here")
    assert pool.plans() == []


def test_no_literal_is_shown(pool):
    pool.prepare("select 'secret' || %s")
    (plan,) = pool.plans()
    assert "secret" not in repr(plan) + str(plan)
    assert "secret" not in repr(pool.prepare("select 'secret' || %s"))


def test_a_pool_without_plans_reports_none_and_has_cursors_as_ever(pool, table):
    assert pool.plans() == []
    with pool.connection() as conn:
        assert conn._multipool_shelf is None
        assert "Planned" not in str(type(conn.cursor()).__mro__)


def test_what_a_prepared_statement_leaves_in_the_session_is_seen(make_pool, driver):
    pool = make_pool(max_size=1)
    sql = "select set_config('multipool.test', %s, false)"
    pool.prepare(sql)
    for _ in range(4):
        with pool.connection() as conn:
            found = fetch(conn, "select current_setting('multipool.test', true)")
            assert found[0][0] in (None, "")
            assert fetch(conn, sql, ("left",)) == [("left",)]
    with pool.connection() as conn:
        run(conn, "select 1")
