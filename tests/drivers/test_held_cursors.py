"""A cursor WITH HOLD touches the session until it is closed."""

import gc
from contextlib import suppress

import pytest

from multipool import Pool
from multipool.driver import ON_SERVER

pytestmark = pytest.mark.filterwarnings(
    # psycopg's, of cursors that nobody closed.
    "ignore:Exception ignored in.*ServerCursorMixin:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def pool(driver, params):
    """A pool of one connection."""
    with Pool(params, driver=driver, max_size=1) as made:
        yield made


@pytest.fixture
def conn(pool):
    """Its connection, in autocommit."""
    lent = pool.getconn()
    lent.autocommit = True
    return lent


def declare(conn, name, **options):
    cursor = conn.cursor(name, withhold=True, **options)
    cursor.execute("select generate_series(1, 3)")
    return cursor


def is_touched(conn):
    return bool(conn._multipool_slot.touched & ON_SERVER)


def open_cursors(pool):
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("select name from pg_cursors where is_holdable")
        return cursor.fetchall()


def test_one_that_was_closed_leaves_nothing_to_reset(conn):
    cursor = declare(conn, "a")
    assert is_touched(conn)
    assert len(cursor.fetchall()) == 3
    cursor.close()
    cursor.close()
    assert not is_touched(conn)
    conn.close()


def test_one_of_two_that_is_closed_leaves_the_other(pool, conn):
    left = declare(conn, "a")
    declare(conn, "b").close()
    never = conn.cursor("c", withhold=True)
    never.close()
    assert is_touched(conn)
    conn.close()
    assert open_cursors(pool) == []
    with suppress(pool.driver.Error):
        left.close()


def test_one_that_was_collected_is_reset(pool, conn):
    declare(conn, "a")
    gc.collect()
    declare(conn, "b").close()
    assert is_touched(conn)
    conn.close()
    assert open_cursors(pool) == []


def test_what_else_was_set_meanwhile_is_reset(conn):
    cursor = declare(conn, "a")
    conn.cursor().execute("set multipool.test to 'x'")
    cursor.close()
    assert is_touched(conn)
    conn.close()


def test_what_its_own_statement_sets_is_reset(conn):
    cursor = conn.cursor("a", withhold=True)
    cursor.execute("select set_config('multipool.test', 'x', false)")
    cursor.close()
    assert is_touched(conn)
    conn.close()


def test_one_that_could_not_be_closed_in_a_failed_transaction_is_reset(pool, conn):
    cursor = declare(conn, "a")
    conn.autocommit = False
    with pytest.raises(pool.driver.Error):
        conn.cursor().execute("select 1 / 0")
    cursor.close()
    assert is_touched(conn)
    conn.close()
    assert open_cursors(pool) == []


def test_one_that_was_declared_in_a_lease_that_is_over_touches_no_other(pool, conn):
    cursor = declare(conn, "a")
    conn.close()
    with pool.connection() as lent:
        assert not is_touched(lent)
        declare(lent, "b")
        with pytest.raises(pool.driver.Error):  # the server has none any more
            cursor.close()
        assert is_touched(lent)
