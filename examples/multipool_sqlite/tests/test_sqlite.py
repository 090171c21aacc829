"""SQLite's adapter, by the suite that every adapter passes, and what is its own."""

from __future__ import annotations

import gc
import sqlite3
import sys

import pytest

from multipool import Pool, PoolConfigError, get_driver
from multipool.testing.compliance import DriverCompliance
from multipool_sqlite import driver


@pytest.fixture
def path(tmp_path):
    """The name of a database with one table."""
    name = str(tmp_path / "shop.db")
    conn = sqlite3.connect(name)
    conn.execute("create table visit (n integer)")
    conn.close()
    return name


class TestSQLite(DriverCompliance):
    driver = driver

    # There is no server, so there is nothing that belongs to one.
    network = False
    libpq = False
    settings = False
    notifications = False
    sqlstates = False
    # A connection and its cache of statements refer to each other.
    acyclic = False
    # An error undoes its own statement, and the transaction goes on.
    aborts = False
    # Queries are interrupted, but sqlite3 does not tell that one is running.
    cancellation = False

    # Only what writes opens a transaction.
    opening = "insert into visit values (1)"
    echo = "select ?"
    wrong = "select * from nowhere"
    outside = "vacuum"
    client_settings = {"autocommit": True, "row_factory": sqlite3.Row}  # noqa: RUF012
    leavings = {  # noqa: RUF012
        "pragma": ("pragma case_sensitive_like = on", "select 'A' like 'a'"),
        "temporary table": (
            "create temporary table left_behind (n integer)",
            "select count(*) from sqlite_temp_master",
        ),
    }

    @pytest.fixture
    def target(self, path):
        return {"database": path}


def test_the_adapter_is_found_by_its_entry_point():
    assert get_driver("sqlite3") is driver


def test_a_file_name_and_sqlites_own_uri_are_dsns(path):
    for dsn in (path, f"file:{path}?mode=rw"):
        with Pool(dsn, driver="sqlite3") as pool, pool.connection() as conn:
            assert conn.execute("select count(*) from visit").fetchone() == (0,)


def test_a_read_only_uri_refuses_to_write(path):
    with (
        Pool(f"file:{path}?mode=ro", driver="sqlite3") as pool,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
        pool.connection() as conn,
    ):
        conn.execute("insert into visit values (1)")


@pytest.mark.parametrize("dsn", ["", "postgresql://localhost/shop"])
def test_what_is_neither_is_refused(dsn):
    with pytest.raises(PoolConfigError, match="file:"):
        driver.parse_dsn(dsn)


def test_without_a_database_there_is_nothing_to_open():
    with pytest.raises(PoolConfigError, match="database is missing"):
        driver.check_params({"timeout": 1.0})


@pytest.mark.parametrize(
    "alter",
    [
        lambda conn: conn.execute("pragma case_sensitive_like = on"),
        lambda conn: conn.execute("create temporary table mine (n integer)"),
        lambda conn: conn.execute("create table temp.mine (n integer)"),
        lambda conn: conn.execute("create /* mine */ temp table mine (n integer)"),
        lambda conn: conn.executescript("attach ':memory:' as other"),
        lambda conn: conn.create_function("twice", 1, lambda n: 2 * n),
        lambda conn: conn.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 40),
        lambda conn: conn.deserialize(conn.serialize()),
        lambda conn: conn.cursor(sqlite3.Cursor),
        lambda conn: conn.cursor(lambda given: sqlite3.Cursor(given)),
    ],
)
def test_a_connection_that_cannot_be_put_back_is_replaced(path, alter):
    with Pool(path, driver="sqlite3", max_size=1) as pool:
        with pool.connection() as conn:
            conn.execute("insert into visit values (1)")
        with pool.connection() as same:
            assert same is conn
            alter(same)
        with pool.connection() as other:
            assert other is not conn
            assert other.execute("select n from visit").fetchall() == [(1,)]


def test_a_file_that_cannot_be_opened_is_told_of_once(tmp_path, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with (
        Pool(str(tmp_path / "nowhere" / "x.db"), driver="sqlite3") as pool,
        pytest.raises(sqlite3.OperationalError, match="unable to open"),
    ):
        pool.getconn()
    gc.collect()
    assert not unraisable


def test_what_was_configured_stays(path):
    def configure(conn):
        conn.create_function("twice", 1, lambda n: 2 * n)

    with Pool(path, driver="sqlite3", max_size=1, configure=configure) as pool:
        for _ in range(2):
            with pool.connection() as conn:
                assert conn.execute("select twice(21)").fetchone() == (42,)
        assert pool.stats().opened == 1


def test_a_query_is_interrupted(path):
    with Pool(path, driver="sqlite3") as pool, pool.connection() as conn:
        conn.create_function("cancel", 0, lambda: driver.cancel(conn))
        endless = (
            "with recursive n(i) as (select cancel() union all select 1 from n) select * from n"
        )
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            conn.execute(endless).fetchall()
