"""Whoever observes a pool is told of each statement of its users once, whatever executes it."""

import io
import sys
import time
from _thread import start_new_thread
from operator import call
from time import perf_counter

import pytest
from support import line_of, piggybacking, until

from multipool import Pool
from multipool.watch.stacks import lines_of


class Told(list):
    """Keeps what it is told: executions, in `more` how they went on, and the `seconds` of all."""

    def __init__(self):
        self.more = []
        self.seconds = 0.0

    def executed(self, sql, place, seconds, rows, error):
        assert seconds > 0
        self.seconds += seconds
        self.append((sql, lines_of(place)[0], rows, type(error)))

    def went_on(self, text, place, more):
        assert more.before > 0
        self.more.append((lines_of(place)[0], more.seconds, more.rows, type(more.error)))

    def texts(self):
        return [sql for sql, *_ in self]


@pytest.fixture(params=["plain", "prepared", "with its BEGIN"])
def pool(request, driver, params):
    """A pool of one connection, in each of the ways in which statements are executed."""
    options = {"prepare": {"threshold": 1}} if request.param == "prepared" else {}
    if request.param == "with its BEGIN":
        driver = piggybacking(driver)
    with Pool(params, driver=driver, max_size=1, **options) as made:
        yield made


@pytest.fixture
def told(pool):
    """What an observer of that pool was told."""
    observer = Told()
    pool._inner.begin_observing(observer)
    return observer


def test_an_execution_is_told_with_its_place_and_rows(pool, told):
    sql = "select generate_series(1, %s)"
    for _ in range(3):
        with pool.connection() as conn:
            conn.cursor().execute(sql, (3,))
    expected = line_of(test_an_execution_is_told_with_its_place_and_rows, "execute(sql")
    assert told == [(sql, expected, 3, type(None))] * 3


def test_an_error_is_told_and_raised(pool, told):
    conn = pool.getconn()
    with pytest.raises(pool.driver.Error) as caught:
        conn.cursor().execute("select 1 / 0")
    conn.close()
    assert [(sql, rows, error) for sql, _, rows, error in told] == [
        ("select 1 / 0", -1, type(caught.value))
    ]


def test_an_observer_that_fails_is_logged_and_the_statement_counts(pool, told, caplog):
    class Failing:
        def executed(self, *args):
            raise ValueError("hunter2")

    pool._inner.begin_observing(Failing())
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("select 1")
        assert tuple(cursor.fetchone()) == (1,)
    assert f"pool {pool.name!r}: an observer failed: ValueError" in caplog.text
    assert "hunter2" not in caplog.text
    assert told.texts() == ["select 1"]


def test_executemany_is_one_execution(pool, told):
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("create temporary table numbers (n int)")
        cursor.executemany("insert into numbers values (%s)", [(n,) for n in range(5)])
    assert told.texts() == ["create temporary table numbers (n int)", told[1][0]]
    assert told[1][2] == 5


def test_a_cursor_on_the_server_is_told_when_it_is_declared_and_as_it_is_fetched_from(pool, told):
    sql = "select generate_series(1, 9)"
    with pool.connection() as conn, conn.cursor(name="numbers", scrollable=True) as cursor:
        cursor.execute(sql)
        assert cursor.fetchone() is not None
        assert len(cursor.fetchmany(3)) == 3
        cursor.scroll(1)
        assert len(cursor.fetchall()) == 4
    here = line_of(
        test_a_cursor_on_the_server_is_told_when_it_is_declared_and_as_it_is_fetched_from,
        "execute(sql",
    )
    assert told == [(sql, here, 0, type(None))]
    assert [(where, rows) for where, _, rows, _ in told.more] == [(here, n) for n in (1, 3, 0, 4)]
    assert all(seconds > 0 for _, seconds, _, _ in told.more)


def test_rows_that_came_with_others_are_told_with_the_next_that_are_asked_for(pool, told):
    with pool.connection() as conn, conn.cursor(name="numbers") as cursor:
        cursor.itersize = 400
        cursor.execute("select generate_series(1, 1000)")
        assert len(list(cursor)) == 1000
        assert sum(rows for _, _, rows, _ in told.more) == 1000
        # As often as the server was asked, and when this thread had to wait for a row.
        assert 3 <= len(told.more) < 300


def test_rows_of_a_cursor_that_is_closed_early_are_told_too(pool, told):
    with pool.connection() as conn, conn.cursor(name="numbers") as cursor:
        cursor.execute("select generate_series(1, 1000)")
        for _ in range(10):
            next(cursor)
    assert sum(rows for _, _, rows, _ in told.more) == 10


def test_an_error_in_a_fetch_is_told_once(pool, told):
    conn = pool.getconn()
    cursor = conn.cursor(name="numbers")
    cursor.execute("select 1 / (n - 1) from generate_series(1, 2) n")
    for _ in range(2):
        with pytest.raises(pool.driver.Error):
            cursor.fetchone()
    cursor.close()
    conn.close()
    assert [error is type(None) for *_, error in told.more] == [False, True]


def test_what_a_composed_query_says_is_told(pool, told):
    if pool.driver.name == "pg8000":
        pytest.skip("it has no composed queries")
    sql = sys.modules[pool.driver.name].sql
    with pool.connection() as conn:
        conn.cursor().execute(sql.SQL("select {}").format(sql.Literal(1)))
        conn.cursor().execute(b"select 2")
    assert told.texts() == ["select 1", "select 2"]


def test_a_copy_is_told_once(pool, told):
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("create temporary table numbers (n int)")
        if pool.driver.name == "psycopg":
            with cursor.copy("copy numbers from stdin") as copy:
                copy.write_row((1,))
            assert list(cursor.stream("select * from numbers")) == [(1,)]
        else:
            cursor.copy_from(io.StringIO("1\n"), "numbers")
            cursor.callproc("abs", (1,))
    assert len(told) == 3
    assert told[1][0].lower().startswith("copy")


def test_what_is_done_with_a_streamed_row_is_not_the_statements_time(pool, told):
    if pool.driver.name != "psycopg":
        pytest.skip("only psycopg streams")
    used, begun = 0.0, perf_counter()
    with pool.connection() as conn:
        for _ in conn.cursor().stream("select generate_series(1, 3)"):
            had = perf_counter()
            time.sleep(0.1)
            used += perf_counter() - had
    assert told.seconds + used <= perf_counter() - begun
    assert told[0][2] == 3


def test_what_the_pool_itself_executes_is_not_told(pool, told):
    with pool.connection() as conn:
        conn.cursor().execute("set application_name to 'somebody'")  # which is reset on return
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        conn.rollback()
    assert told.texts() == ["set application_name to 'somebody'", "select 1"]


def test_a_cursor_class_of_the_users_takes_a_statement_by_its_own_name_for_it(pool, told):
    conn = pool.getconn()
    known = reversed(type(conn.cursor()).__mro__)
    base = next(one for one in known if one.__name__.lower() == "cursor")  # the driver's own

    class Mine(base):
        def execute(self, sql, args=None):
            return super().execute(sql, args)

        def executemany(self, sql, rows):
            return super().executemany(sql, rows)

    conn.cursor_factory = Mine
    cursor = conn.cursor()
    for _ in range(3):
        cursor.execute(sql="select %s::int", args=(7,))
        assert tuple(cursor.fetchone()) == (7,)
    cursor.execute("select 1")
    cursor.executemany(sql="select %s::int", rows=[(7,), (8,)])
    conn.close()
    assert told.texts() == ["select %s::int"] * 3 + ["select 1", "select %s::int"]
    here = test_a_cursor_class_of_the_users_takes_a_statement_by_its_own_name_for_it
    assert told[0][1] == line_of(here, "execute(sql=")


def test_a_cursor_factory_of_the_users_is_seen_too(pool, told, driver):
    conn = pool.getconn()
    base = conn.cursor_factory or type(conn.cursor()).__mro__[-2]

    executed = []

    class Mine(base):
        def execute(self, *args, **options):
            executed.append(args)
            return super().execute(*args, **options)

    conn.cursor_factory = Mine
    conn.cursor().execute("select 1")
    conn.rollback()
    conn.close()
    assert told.texts() == ["select 1"]
    assert executed


def test_who_is_interrupted_before_the_server_is_asked_has_executed_nothing(pool, told):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pool.connection() as conn:
        cursor = conn.cursor()
        pool._inner.tracing.amend = interrupt
        with pytest.raises(KeyboardInterrupt):
            cursor.execute("select 1")
        with pytest.raises(KeyboardInterrupt):
            cursor.executemany("select %s", [(1,)])
        pool._inner.tracing.amend = None
        assert told == []
        assert pool.held(0)[0].state == "idle"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"trace": "full"},
        {"queries": True},
        {"trace": "full", "queries": True},
        {"prepare": {"threshold": 1}},
    ],
)
def test_what_is_called_by_no_python_code_is_executed(driver, params, options):
    """As in a new thread, or by `atexit`: there is no frame to take for the caller's."""
    sql = "select generate_series(1, %s)"

    def without_a_caller(function, *args):
        done = []
        start_new_thread(done.extend, (map(function, *[[arg] for arg in args]),))
        until(lambda: done)
        return done[0]

    with Pool(params, driver=driver, max_size=1, **options) as pool, pool.connection() as conn:
        for _ in range(5):  # until it is prepared, if it is to be
            conn.cursor().execute(sql, (5,))
        cursor = without_a_caller(call, conn.cursor)
        without_a_caller(cursor.execute, sql, (5,))
        assert len(cursor.fetchall()) == 5
        without_a_caller(cursor.executemany, "select %s", [(5,)])
        if driver.name == "psycopg":
            assert without_a_caller(conn.execute, "select 1").fetchone() == (1,)


def test_an_observer_hears_of_a_lease_that_began_before_it(driver, params):
    with Pool(params, driver=driver, trace=False) as pool, pool.connection() as conn:
        conn.cursor().execute("select 1")
        observer = Told()
        pool._inner.begin_observing(observer)
        conn.cursor().execute("select 2")
        assert observer.texts() == ["select 2"]


def test_a_pool_that_keeps_nothing_leaves_cursors_alone(driver, params):
    with Pool(params, driver=driver, trace=False) as pool, pool.connection() as conn:
        assert "Observed" not in str(type(conn.cursor()).__mro__)
