"""A pool of each driver in turn, and a look at what its server holds prepared."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from multipool import Pool, get_driver

#: The ways in which statements are prepared: one for each driver, and psycopg's client cursors.
CLIENT = "psycopg's client cursors"
WAYS = [name for name in ("psycopg2", "psycopg", "pg8000") if find_spec(name)]
if "psycopg" in WAYS:
    WAYS.append(CLIENT)

#: Reads a row of `table`.
BY_ID = "select * from numbers where id = %s"


@pytest.fixture(params=WAYS)
def way(request):
    """Each way to prepare in turn."""
    return request.param


@pytest.fixture
def driver(way):
    """The driver of this way."""
    return get_driver("psycopg" if way == CLIENT else way)


@pytest.fixture
def cursor_class(driver, way):
    """The driver's own cursor class in this way."""
    if driver.name == "psycopg2":
        from psycopg2.extensions import cursor

        return cursor
    if driver.name == "psycopg":
        import psycopg

        return psycopg.ClientCursor if way == CLIENT else psycopg.Cursor
    from multipool_pg8000 import Cursor

    return Cursor


@pytest.fixture
def make_pool(driver, way, params):
    """Make pools that are closed at the test's end."""
    made = []

    def make(**options):
        own = {}
        if driver.name == "psycopg":
            own["prepare_threshold"] = None  # else it prepares by itself
        if way == CLIENT:
            import psycopg

            own["cursor_factory"] = psycopg.ClientCursor
        pool = Pool({**params, **own, **options.pop("params", {})}, driver=driver, **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def outside(driver, params):
    """A connection of nobody's pool."""
    conn = driver.connect(params, timeout=10)
    conn.autocommit = True
    yield conn
    driver.close(conn)


@pytest.fixture
def pool(make_pool):
    """A pool of one connection."""
    return make_pool(max_size=1)


@pytest.fixture
def table(driver, params):
    """The name of a table of ten numbers and their names."""
    conn = driver.connect(params, timeout=10)
    driver.execute(
        conn,
        "create table numbers (id integer primary key, name text);"
        "insert into numbers select i, 'n' || i from generate_series(1, 10) i",
    )
    yield "numbers"
    driver.execute(conn, "drop table if exists numbers cascade")
    driver.close(conn)


@pytest.fixture
def prepared(pool, table):
    """A pool of one connection on which `BY_ID` is prepared."""
    pool.prepare(BY_ID)
    with pool.connection() as conn:
        for _ in range(3):
            fetch(conn, BY_ID, (1,))
        assert len(held(conn)) == 1
    return pool


def fetch(conn, sql, params=None):
    """Execute and return the rows as tuples."""
    cursor = conn.cursor()
    try:
        cursor.execute(sql, *([] if params is None else [params]))
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()


def run(conn, sql):
    """Execute what returns nothing."""
    cursor = conn.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def held(conn):
    """Return what is prepared for the pool on the server: names by text, in their short form."""
    rows = fetch(
        conn,
        "select name, statement from pg_prepared_statements"
        " where name ~ '^(multipool|_pg3)_[0-9]+$'",
    )
    return {_short(statement): name for name, statement in rows}


def _short(statement):
    """Return the statement without what prepares it."""
    if "prepare multipool_" not in statement:
        return statement
    return statement.partition(" as\n")[2].partition("\n;")[0].rstrip()
