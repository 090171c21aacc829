"""``pool.queries()`` with every driver."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from multipool import Pool, PoolConfigError
from multipool.driver import Driver
from multipool.testing.fake import FakeDriver
from multipool.watch.queries.report import Query


@pytest.fixture
def make_pool(dsn: str, driver: Driver) -> Iterator[Callable[..., Pool]]:
    """Make pools of one connection each that count, on each installed driver."""
    made: list[Pool] = []

    def make(**options: Any) -> Pool:
        made.append(Pool(dsn, driver=driver, **{"max_size": 1, "queries": True, **options}))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    return make_pool()


def counted(pool: Pool, text: str) -> Query:
    (found,) = [query for query in pool.queries() if query.text == text]
    return found


def test_a_statement_is_counted_with_its_time_rows_and_line(pool: Pool) -> None:
    with pool.connection() as conn, conn.cursor() as cursor:
        for number in range(3):
            cursor.execute("select generate_series(1, %s), 'hunter2', 5", (number,))
            line = inspect.currentframe().f_lineno - 1
    query = counted(pool, "select generate_series(?, ...), ?, ?")
    assert (query.calls, query.rows, query.errors) == (3, 0 + 1 + 2, 0)
    assert query.call_site.endswith(f"test_queries.py:{line}")
    assert 0 < query.p50 <= query.p95 <= query.p99 < 1.05 * query.seconds
    assert query.mean == query.seconds / 3
    assert "hunter2" not in str(pool.queries()) + repr(pool.queries()[0])


def test_the_same_statement_from_another_line_is_another_record(pool: Pool) -> None:
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("select 1")
        cursor.execute("select 2")
    assert [query.text for query in pool.queries()] == ["select ?", "select ?"]
    assert len({query.call_site for query in pool.queries()}) == 2


def test_what_fails_is_counted_as_an_error(pool: Pool, driver: Driver) -> None:
    with pool.connection() as conn:
        for _ in range(2):
            with pytest.raises(driver.DatabaseError), conn.cursor() as cursor:
                cursor.execute("select 1 / %s", (0,))
            conn.rollback()
    query = counted(pool, "select ? / %s")
    assert (query.calls, query.errors, query.rows) == (2, 2, 0)


def test_executemany_is_one_execution_with_all_its_rows(pool: Pool) -> None:
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("create temporary table visit (id int, page text)")
        cursor.executemany("insert into visit values (%s, %s)", [(1, "a"), (2, "b"), (3, "c")])
        cursor.execute("insert into visit values (%s, %s), (%s, %s)", (1, "a", 2, "b"))
    # psycopg2's executemany tells the rows of the last one alone.
    assert counted(pool, "insert into visit values (%s, ...)").rows in (3, 1)
    assert counted(pool, "insert into visit values (%s, ...), ...").rows == 2


def test_what_the_pool_executes_itself_is_not_counted(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(reset="always", configure=lambda conn: False)
    for _ in range(2):
        with pool.connection() as conn, conn.cursor() as cursor:
            cursor.execute("set application_name to shop")
    assert [query.text for query in pool.queries()] == ["set application_name to ?"]


def test_a_prepared_statement_is_counted_by_its_own_text(pool: Pool) -> None:
    with pool.prepare("select %s::int"), pool.connection() as conn, conn.cursor() as cursor:
        for number in range(5):
            cursor.execute("select %s::int", (number,))
    query = counted(pool, "select %s::int")
    assert (query.calls, len(pool.queries())) == (5, 1)


def test_a_call_of_no_python_function_of_the_application_still_has_a_line(pool: Pool) -> None:
    with pool.connection() as conn, conn.cursor() as cursor:
        list(map(cursor.execute, ["select 1"]))
    assert ".py:" in counted(pool, "select ?").call_site


@pytest.mark.parametrize("trace", ["auto", "full"])
def test_what_is_executed_is_counted_some_at_a_time(
    make_pool: Callable[..., Pool], trace: str
) -> None:
    pool = make_pool(queries=True, trace=trace)
    log = pool._inner.query_log
    with pool.connection() as conn:
        cursor = conn.cursor()
        put_down = 0
        for _ in range(100):
            cursor.execute("select 1")
            put_down = max(put_down, len(log.fresh))
        assert put_down == log.FRESH
    (query,) = pool.queries()
    assert (query.calls, query.rows, query.errors) == (100, 100, 0)
    assert query.call_site is not None
    assert "test_queries.py" in query.call_site


def test_a_pool_that_was_not_asked_counts_nothing(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(queries=False, trace=False)
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("select 1")
    assert len(pool.queries()) == 0
    assert conn._multipool_sight is None


def test_it_is_sorted_and_cut_as_asked_and_adds_up_across_pools(
    make_pool: Callable[..., Pool],
) -> None:
    one, other = make_pool(), make_pool()
    for pool in (one, other):
        with pool.connection() as conn, conn.cursor() as cursor:
            cursor.execute("select pg_sleep(0.02)")
            for _ in range(4):
                cursor.execute("select 1")
    assert one.queries(limit=1)[0].text == "select pg_sleep(?)"
    assert one.queries(limit=1).others.calls == 4
    assert one.queries(by="calls")[0].text == "select ?"
    both = one.queries() + other.queries()
    assert [(query.text, query.calls) for query in both] == [
        ("select pg_sleep(?)", 2),
        ("select ?", 8),
    ]
    with pytest.raises(ValueError, match="by='rows': must be one of"):
        one.queries(by="rows")


def test_an_option_that_is_neither_true_nor_false_is_refused(
    make_pool: Callable[..., Pool],
) -> None:
    with pytest.raises(PoolConfigError, match="option queries='yes': must be True or False"):
        make_pool(queries="yes")


@pytest.mark.parametrize("option", ["queries", "comments"])
def test_it_is_refused_with_a_driver_that_does_not_tell_what_is_executed(option: str) -> None:
    silent = type("Silent", (FakeDriver,), {"observe": Driver.observe})()
    with pytest.raises(PoolConfigError, match=f"option {option}=True: driver 'fake' does not tell"):
        Pool("", driver=silent, **{option: True})
    Pool("", driver=silent).close()
