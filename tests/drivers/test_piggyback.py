"""BEGIN travels with the first statement, and nothing else is seen of it.

Each story is told twice, to a connection whose BEGIN travels and to the driver's own, and
must end the same.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from multipool import Pool
from multipool.driver import IDLE, INTRANS


@pytest.fixture
def route():
    return "direct"


@pytest.fixture
def conn(driver, proxy):
    conn = driver.connect(proxy.params, timeout=10)
    driver.piggyback_begin(conn)
    proxy.round_trips = 0
    yield conn
    driver.close(conn)


@pytest.fixture
def own(connect):
    return connect()


def query(conn, sql, *values):
    """Return what *sql* answers: rows, or the command's tag, or the error and its place."""
    cursor = conn.cursor()
    try:
        cursor.execute(sql, values or None)
        rows = cursor.fetchall() if cursor.description else cursor.statusmessage
        return [tuple(row) for row in rows] if isinstance(rows, list) else rows
    except Exception as error:
        diag = getattr(error, "diag", None)
        return type(error), str(error), diag and diag.statement_position
    finally:
        cursor.close()


def test_a_transaction_is_one_round_trip_for_each_statement_and_one_for_its_end(conn, proxy):
    for count in (1, 3):
        before = proxy.round_trips
        for _ in range(count):
            assert query(conn, "select %s::text", "a") == [("a",)]
        conn.commit()
        assert proxy.round_trips - before == count + 1


def test_autocommit_begins_nothing(conn, driver, proxy):
    conn.autocommit = True
    assert query(conn, "select 1") == [(1,)]
    assert driver.status(conn) == IDLE
    assert proxy.round_trips == 1


def test_it_can_be_turned_on_in_autocommit_and_out_of_it(driver, own, proxy):
    for wanted in (True, False):
        own.autocommit = wanted
        driver.piggyback_begin(own)
        assert own.autocommit is wanted


def test_setting_autocommit_costs_nothing(conn, proxy):
    for value in (True, False, True):
        conn.autocommit = value
        assert conn.autocommit is value
    assert proxy.round_trips == 0


def test_ending_a_transaction_that_has_not_begun_costs_nothing(conn, proxy):
    conn.commit()
    conn.rollback()
    assert proxy.round_trips == 0


def test_what_was_committed_stays_and_what_was_rolled_back_does_not(conn, own):
    query(conn, "create table piggyback (n integer)")
    conn.commit()
    try:
        for number, end in ((1, conn.commit), (2, conn.rollback)):
            query(conn, "insert into piggyback values (%s)", number)
            end()
        assert query(own, "select n from piggyback") == [(1,)]
    finally:
        own.rollback()
        query(conn, "drop table piggyback")
        conn.commit()


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "select frm from from",
        "select nothing",
        "select 1,\n  nothing",
        "select * from nowhere",
        "select 'x'::integer",
        "select 1/0",
        "insert into nowhere values (1)",
        "savepoint a",
        "set transaction isolation level serializable",
        "lock table pg_class in access share mode",
        "select 1;",
        "select 1; select 2",
        "select ';'",
        "-- a comment",
        " ",
        "/* a comment */ select 1 -- another",
        "vacuum",
        "show transaction_isolation",
    ],
)
def test_a_first_statement_and_the_next_end_as_with_a_begin_of_its_own(conn, own, driver, sql):
    """Errors have the same class, text, place and state, and refuse what follows them."""
    told = []
    for each in (conn, own):
        first, status = query(each, sql), driver.status(each)
        told.append((first, status, query(each, "select 2"), driver.status(each)))
        each.rollback()
        told[-1] += (driver.status(each), query(each, "select 3"))
        each.rollback()
    assert told[0] == told[1]


def test_isolation_and_the_like_travel_with_it(conn, own, driver):
    read_only = "read_only" if driver.name == "psycopg" else "readonly"
    told = []
    for each in (conn, own):
        each.isolation_level = 3 if driver.name != "psycopg" else 4  # serializable, in each
        setattr(each, read_only, True)
        each.deferrable = True
        told.append(
            [
                query(each, f"show transaction_{name}")
                for name in ("isolation", "read_only", "deferrable")
            ]
        )
        each.rollback()
        told[-1].append(query(each, "insert into pg_class default values")[0])
        each.rollback()
        each.autocommit = True
        told[-1].append((each.isolation_level, getattr(each, read_only), each.deferrable))
        each.autocommit = False
        told[-1].append(query(each, "show transaction_isolation"))
        each.rollback()
    assert told[0] == told[1]
    assert told[0][:3] == [[("serializable",)], [("on",)], [("on",)]]


@pytest.mark.parametrize("name", ["autocommit", "isolation_level", "deferrable"])
def test_what_a_transaction_begins_with_cannot_be_set_in_one(conn, own, driver, name):
    for each in (conn, own):
        query(each, "select 1")
        with pytest.raises(driver.Error):
            setattr(each, name, True)
        assert driver.status(each) == INTRANS
        each.rollback()


def test_a_named_cursor_reads_row_by_row_wherever_it_is_in_a_transaction(conn, own, driver):
    told = []
    for each in (conn, own):
        seen = []
        for before in (None, "select 1"):
            if before is not None:
                query(each, before)
            cursor = each.cursor(f"c{len(seen)}")
            cursor.execute("select n from generate_series(1, %s) as n", (5,))
            seen.append(cursor.fetchone()[0])
            seen += [row[0] for row in cursor.fetchmany(2)]
            seen += [row[0] for row in cursor]
            cursor.close()
            seen += query(each, "select count(*) from pg_cursors")
            seen.append(driver.status(each))
        told.append(seen)
        each.rollback()
    assert told[0] == told[1]


def test_a_named_cursor_does_not_outlive_its_transaction_unless_it_is_held(conn, own, driver):
    for each in (conn, own):
        cursor = each.cursor("brief")
        cursor.execute("select 1")
        each.commit()
        with pytest.raises(driver.Error):
            cursor.fetchone()
        each.rollback()
        with suppress(driver.Error):  # psycopg2 complains here too
            cursor.close()
        each.rollback()
        cursor = each.cursor("held", withhold=True)
        cursor.execute("select 1")
        each.commit()
        assert tuple(cursor.fetchone()) == (1,)
        cursor.close()
        each.rollback()


def test_executemany_is_undone_with_its_transaction(conn, own):
    for each in (conn, own):
        query(each, "create temporary table t (n integer)")
        each.commit()
        cursor = each.cursor()
        cursor.executemany("insert into t values (%s)", [(1,), (2,)])
        each.rollback()
        assert query(each, "select count(*) from t") == [(0,)]
        each.rollback()


def test_the_connection_as_a_context_manager_ends_the_transaction(conn, own, driver):
    if driver.name == "psycopg":
        pytest.skip("there it closes the connection too")
    for each in (conn, own):
        query(each, "create temporary table t (n integer)")
        each.commit()
        with each:
            query(each, "insert into t values (1)")
            assert driver.status(each) == INTRANS
        assert driver.status(each) == IDLE
        with pytest.raises(LookupError), each:
            query(each, "insert into t values (2)")
            raise LookupError
        assert query(each, "select n from t") == [(1,)]
        each.rollback()


def test_a_failed_commit_leaves_nothing_open(conn, own, driver):
    """Deferred constraints are checked at the end."""
    for each in (conn, own):
        query(each, "create temporary table t (n integer unique deferrable initially deferred)")
        each.commit()
        query(each, "insert into t values (1), (1)")
        with pytest.raises(driver.Error, match="t_n_key"):
            each.commit()
        assert driver.status(each) == IDLE
        each.autocommit = True
        each.autocommit = False


def test_a_connection_that_came_back_before_its_first_statement_is_simply_clean(driver, proxy):
    with Pool(proxy.params, driver=driver, configure=_autocommit_and_piggyback(driver)) as pool:
        conn = pool.getconn()
        before = proxy.round_trips
        conn.autocommit = False
        pool.putconn(conn)
        assert pool.getconn() is conn
        assert conn.autocommit is True
        assert proxy.round_trips == before
        pool.putconn(conn)


def test_a_transaction_left_open_is_rolled_back_in_one_round_trip(driver, proxy):
    with Pool(proxy.params, driver=driver, configure=_autocommit_and_piggyback(driver)) as pool:
        conn = pool.getconn()
        conn.autocommit = False
        query(conn, "select 1")
        before = proxy.round_trips
        pool.putconn(conn)
        assert proxy.round_trips == before + 1
        assert pool.getconn() is conn
        assert (driver.status(conn), conn.autocommit) == (IDLE, True)
        pool.putconn(conn)


def _autocommit_and_piggyback(driver):
    def configure(conn):
        conn.autocommit = True
        driver.piggyback_begin(conn)

    return configure


def test_a_cancelled_first_statement_can_be_rolled_back(conn, own, driver):
    told = []
    for each in (conn, own):
        query(each, "set statement_timeout to 20")
        each.commit()
        told.append((query(each, "select pg_sleep(10)"), driver.status(each)))
        each.rollback()
        told[-1] += (query(each, "select 1"), driver.status(each))
        each.rollback()
    assert told[0] == told[1]


def test_a_table_s_lock_is_waited_for_once(conn, own, proxy):
    """Though the server's error names a place in the text, as those do that are about it."""
    own.autocommit = True
    query(own, "create table if not exists waited_for (n integer)")
    own.autocommit = False
    query(own, "lock table waited_for")
    query(conn, "set lock_timeout to '100ms'")
    conn.commit()
    try:
        proxy.round_trips = 0
        assert query(conn, "select * from waited_for")[0].__name__ == "LockNotAvailable"
        assert proxy.round_trips == 1
    finally:
        conn.rollback()
        own.rollback()
        own.autocommit = True
        query(own, "drop table waited_for")


def test_a_connection_killed_in_its_first_statement_says_so_and_is_lost(conn, own, driver):
    told = []
    for each in (conn, own):
        kind, text, _ = query(each, "select pg_terminate_backend(pg_backend_pid())")
        told.append((kind, text.splitlines()[0], driver.status(each), bool(each.closed)))
        with pytest.raises(driver.Error):
            each.commit()
    assert told[0] == told[1]


def test_a_connection_cut_before_its_first_statement_is_lost(conn, driver, proxy):
    proxy.cut()
    assert issubclass(query(conn, "select 1")[0], driver.Error)
    assert driver.status(conn) not in (IDLE, INTRANS)
