"""What a borrower executed last: known without its literals, where queries are counted."""

import pytest
from support import Thread, until

from multipool import Pool


@pytest.fixture
def make(driver, params):
    made = []

    def make(**options):
        made.append(Pool(params, driver=driver, max_size=1, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def statement(pool):
    """Return the last statement of the only borrower."""
    [holder] = pool.held(longer_than=0)
    return holder.statement


@pytest.mark.parametrize("trace", ["auto", "full"])
def test_the_last_statement_is_told_without_literals(make, trace):
    pool = make(queries=True, trace=trace)
    with pool.connection() as conn:
        assert statement(pool) is None
        conn.cursor().execute("select 1")
        conn.cursor().execute("select 'hunter2', %s", ("hunter2",))
        assert statement(pool) == "select ?, %s"
        assert "last statement: select ?, %s" in str(pool.held(longer_than=0)[0])
    with pool.connection() as conn:
        assert statement(pool) is None  # that was another lease


def test_one_that_still_runs_is_told(make):
    pool = make(queries=True)

    def wait():
        with pool.connection() as conn:
            conn.cursor().execute("select 'hunter2', pg_sleep(1)")

    thread = Thread(wait)
    until(lambda: pool.stats().used and statement(pool))
    assert statement(pool) == "select ?, pg_sleep(?)"
    thread.outcome(10)


def test_one_with_many_parameters_is_told(make):
    pool = make(queries=True)
    with pool.connection() as conn:
        conn.cursor().executemany("select %s, 'hunter2'", [(1,), (2,)])
        assert statement(pool) == "select %s, ?"


def test_one_that_failed_is_told(make):
    pool = make(queries=True)
    with pool.connection() as conn:
        with pytest.raises(pool.driver.Error):
            conn.cursor().execute("select 'hunter2' / 0")
        assert statement(pool) == "select ? / ?"
        conn.rollback()


def test_no_text_is_kept_of_one_that_has_ended(make):
    for options in ({"queries": True}, {"trace": "full"}, {}):
        pool = make(**options)
        with pool.connection() as conn:
            for _ in range(3):  # the later ones are counted in a shorter way
                conn.cursor().execute("select 'hunter2'")
                assert conn._multipool_sight.statement is None
                assert "hunter2" not in str(conn._multipool_sight.last)


def test_where_queries_are_not_counted_it_is_not_known(make):
    pool = make(trace="full")
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        assert statement(pool) is None
