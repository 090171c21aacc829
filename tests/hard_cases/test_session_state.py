"""Case 18: nothing of a session reaches the next borrower."""

from __future__ import annotations

import pytest
from hard_cases.outside import ask, run
from left_behind import ON_THE_SERVER
from support import read_text_backwards

from multipool.testing.proxy import Proxy

# What no text shows: state set inside a function of the server's.
HIDDEN = """
    create or replace function hide() returns void language sql as $$ set work_mem to '123kB' $$
"""


@pytest.fixture
def one(make_pool):
    """Make a pool of one connection, so that the next borrower gets the same."""

    def make(**options):
        return make_pool(max_size=1, **options)

    return make


@pytest.mark.parametrize("reset", ["auto", "always", "discard all; "])
@pytest.mark.parametrize("what", ON_THE_SERVER)
def test_the_next_borrower_finds_nothing_on_the_server_of(what, reset, one, driver):
    leave, see = ON_THE_SERVER[what]
    pool = one(reset=reset)
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        before = ask(conn, see)
    with pool.connection() as conn:
        run(conn, leave)
    with pool.connection() as conn:
        after = ask(conn, see)
        assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"
    assert after == before


@pytest.mark.parametrize("reset", ["auto", "always", "never"])
def test_the_next_borrower_s_random_numbers_are_nobody_s_to_foretell(one, reset):
    pool = one(reset=reset)
    found = set()
    for _ in range(2):
        with pool.connection() as conn:
            run(conn, "select setseed(0.5)")
        with pool.connection() as conn:
            found.update(ask(conn, "select random()"))
    assert len(found) == (1 if reset == "never" else 2)


@pytest.mark.parametrize("prepare", [None, {"threshold": 1}])
@pytest.mark.parametrize("queries", [False, True])
def test_the_next_borrower_finds_nothing_of_what_a_called_function_is_known_to_leave(
    queries, prepare, one, driver
):
    if driver.name == "psycopg":
        pytest.skip("psycopg's cursors have no callproc")
    pool = one(queries=queries, prepare=prepare)
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        conn.cursor().callproc("set_config", ("work_mem", "123kB", False))
        conn.cursor().callproc("pg_catalog.pg_advisory_lock", (4712,))
    with pool.connection() as conn:
        assert ask(conn, "show work_mem") != [("123kB",)]
        assert ask(conn, "select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
        assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"


@pytest.mark.parametrize("what", ON_THE_SERVER)
def test_it_would_find_it_if_nothing_was_reset(what, one):
    """The proof that the tests above can fail."""
    leave, see = ON_THE_SERVER[what]
    pool = one(reset="never")
    with pool.connection() as conn:
        before = ask(conn, see)
    with pool.connection() as conn:
        run(conn, leave)
    with pool.connection() as conn:
        assert ask(conn, see) != before


def test_what_is_set_inside_a_function_is_undone_by_always_and_by_sql_and_by_a_callable(
    one, outside
):
    outside.run(HIDDEN)

    def discard(conn):
        run(conn, "reset work_mem")
        conn.commit()

    for reset, seen in (
        ("auto", True),
        ("always", False),
        ("reset work_mem", False),
        (discard, False),
    ):
        pool = one(reset=reset)
        with pool.connection() as conn:
            before = ask(conn, "show work_mem")
            run(conn, "select hide()")
        with pool.connection() as conn:
            assert (ask(conn, "show work_mem") != before) is seen


@pytest.mark.parametrize("reset", ["auto", "always"])
def test_what_was_configured_stays(one, reset):
    def configure(conn):
        run(conn, "set time zone 'Europe/Vienna'")
        run(conn, "set role pg_monitor")
        run(conn, "set work_mem to '200kB'")
        conn.commit()
        conn.autocommit = True

    pool = one(configure=configure, reset=reset)
    see = "select current_setting('timezone'), current_user, current_setting('work_mem')"
    configured = [("Europe/Vienna", "pg_monitor", "200kB")]
    with pool.connection() as conn:
        assert ask(conn, see) == configured
        run(conn, "set time zone 'Asia/Tokyo'")
        run(conn, "reset role")
        run(conn, "set work_mem to '123kB'")
        conn.autocommit = False
    with pool.connection() as conn:
        assert ask(conn, see) == configured
        assert conn.autocommit


@pytest.mark.parametrize("reset", ["auto", "always"])
def test_the_user_that_was_configured_stays(one, reset):
    def configure(conn):
        run(conn, "set session authorization pg_monitor")
        run(conn, "set role pg_read_all_settings")
        conn.commit()

    pool = one(configure=configure, reset=reset)
    for _ in range(2):
        with pool.connection() as conn:
            found = ask(conn, "select session_user::text, current_user::text")
            assert found == [("pg_monitor", "pg_read_all_settings")]
            run(conn, "set statement_timeout to '5s'")


@pytest.mark.parametrize("reset", ["auto", "always"])
def test_what_was_configured_stays_though_no_view_of_settings_has_it(one, driver, reset):
    def configure(conn):
        driver.execute(conn, 'set "App"."mode" to \'web\'')
        run(conn, "set app.tenant to 'it''s'")
        run(conn, "select set_config('app.user.name', 'jane', false)")
        run(conn, 'listen "the ""news"""')
        run(conn, r"prepare mine (integer) as select $1 + 1, '\'::text")
        conn.commit()

    pool = one(configure=configure, reset=reset)
    see = """
        select current_setting('app.tenant'), current_setting('app.user.name'),
            current_setting('app.mode'), array(select pg_listening_channels())
    """
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        configured = ask(conn, see)
        assert configured == [("it's", "jane", "web", ['the "news"'])]
        for change in (
            "set app.tenant to 'another'",
            "select set_config('app.user.name', 'joe', false)",
            "set app.more to 'x'",
            "unlisten *",
            "listen more",
            "deallocate mine",
            "set standard_conforming_strings to off",
        ):
            run(conn, change)
    with pool.connection() as conn:
        assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"
        assert ask(conn, see) == configured
        assert ask(conn, "execute mine (1)") == [(2, "\\")]
        assert ask(conn, "select coalesce(current_setting('app.more', true), '')") == [("",)]


def test_what_was_configured_stays_whatever_text_is_to_the_connection(one, driver):
    def configure(conn):
        read_text_backwards(driver, conn)
        run(conn, "set time zone 'Europe/Vienna'")
        conn.commit()

    pool = one(configure=configure)
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        run(conn, "set time zone 'Asia/Tokyo'")
    with pool.connection() as conn:
        assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"
        assert driver.parameter_status(conn, "TimeZone") == "Europe/Vienna"


def test_of_a_text_in_which_it_was_configured_nothing_else_is_executed_again(one, outside, driver):
    """The server keeps the whole text that a PREPARE came with."""
    outside.run("create table if not exists configured_once (n integer)")
    outside.run("truncate configured_once")

    def configure(conn):
        run(conn, "insert into configured_once values (1); prepare mine as select 1")
        conn.commit()

    pool = one(configure=configure)
    for _ in range(2):
        with pool.connection() as conn:
            run(conn, "set work_mem to '123kB'")
    assert outside.ask("select n from configured_once") == [(1,)]
    outside.run("drop table configured_once")


def test_a_session_that_was_not_touched_is_not_reset(one, params):
    """Counted on the line: with reset="auto" a clean return asks the server nothing."""
    with Proxy(params) as proxy:
        pool = one(target=proxy.params)
        with pool.connection() as conn:
            ask(conn, "select 1")
        before = proxy.round_trips
        for number in range(5):
            conn = pool.getconn()
            conn.autocommit = True
            ask(conn, f"select 1 + {number}")  # psycopg prepares what it sees often
            pool.putconn(conn)
        assert proxy.round_trips - before == 5


# -- on the client's side ----------------------------------------------------------------------


def test_autocommit_isolation_and_read_only_are_put_back(one, driver):
    read_only = "read_only" if driver.name == "psycopg" else "readonly"
    names = ["autocommit", "isolation_level", read_only, "deferrable"]
    pool = one()
    with pool.connection() as conn:
        kept = [getattr(conn, name) for name in names]
    with pool.connection() as conn:
        conn.isolation_level = 3 if driver.name == "psycopg" else "REPEATABLE READ"
        setattr(conn, read_only, True)
        conn.deferrable = True
    with pool.connection() as conn:
        assert [getattr(conn, name) for name in names] == kept
        assert ask(conn, "show transaction_isolation") == [("read committed",)]
        conn.rollback()
        conn.autocommit = True
    with pool.connection() as conn:
        assert [getattr(conn, name) for name in names] == kept


@pytest.mark.parametrize("begin_travels", [False, True])
@pytest.mark.parametrize("prepare", [None, {"threshold": 1}])
@pytest.mark.parametrize("queries", [False, True])
def test_the_next_borrower_finds_nothing_of_what_a_cursor_class_executes_beside(
    one, driver, queries, prepare, begin_travels
):
    pool = one(
        queries=queries,
        prepare=prepare,
        configure=driver.piggyback_begin if begin_travels else None,
    )
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        made = type(conn.cursor())
    drivers_own = next(one for one in reversed(made.__mro__) if hasattr(one, "execute"))

    class Confined(drivers_own):
        def execute(self, *args, **options):
            super().execute("set work_mem to '123kB'")
            return super().execute(*args, **options)

        def executemany(self, statement, rows):
            super().execute("select pg_advisory_lock(4712)")
            return super().executemany(statement, rows)

    for _ in range(2):
        with pool.connection() as conn:
            conn.cursor_factory = Confined
            cursor = conn.cursor()
            cursor.execute("select %s::integer", (1,))
            assert tuple(cursor.fetchone()) == (1,)
            cursor.executemany("select %s::integer", [(1,)])
            assert ask(conn, "show work_mem") == [("123kB",)]
            conn.commit()
        with pool.connection() as conn:
            assert ask(conn, "show work_mem") != [("123kB",)]
            assert ask(conn, "select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
            assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"


def test_the_cursor_factory_is_put_back(one):
    pool = one()
    with pool.connection() as conn:
        kept = conn.cursor_factory
        plain = type(conn.cursor())

        class Mine(plain):
            pass

        conn.cursor_factory = Mine
        assert isinstance(conn.cursor(), Mine)
    with pool.connection() as conn:
        assert conn.cursor_factory is kept
        assert not isinstance(conn.cursor(), Mine)


@pytest.mark.parametrize("configured", ["UTF8", "LATIN2"])
@pytest.mark.parametrize("reset", ["auto", "always"])
def test_the_encoding_is_put_back_on_both_sides(one, driver, reset, configured):
    def encode(conn, encoding):
        if driver.name == "psycopg":  # whose only way it is
            run(conn, f"set client_encoding to {encoding}")
        else:
            conn.set_client_encoding(encoding)
        conn.commit()

    pool = one(reset=reset, configure=lambda conn: encode(conn, configured))
    with pool.connection() as conn:
        pid = driver.backend_pid(conn)
        encode(conn, "LATIN1")
        assert ask(conn, "select 'caf\u00e9'") == [("caf\u00e9",)]
    with pool.connection() as conn:
        assert driver.backend_pid(conn) == pid, "the connection was replaced, not reset"
        assert ask(conn, "show client_encoding") == [(configured,)]
        assert ask(conn, "select '\u017elu\u0165', chr(382)") == [("\u017elu\u0165", "\u017e")]


def test_row_factories_are_put_back(one, driver):
    if driver.name != "psycopg":
        pytest.skip("only psycopg has row factories")
    from psycopg.rows import dict_row

    pool = one()
    with pool.connection() as conn:
        conn.row_factory = dict_row
    with pool.connection() as conn:
        assert ask(conn, "select 1") == [(1,)]


def test_adapters_registered_on_the_connection_are_taken_back(one, driver):
    pool = one()
    with pool.connection() as conn:
        read_text_backwards(driver, conn)
        assert ask(conn, "select 'abc'::text") == [("cba",)]
    with pool.connection() as conn:
        assert ask(conn, "select 'abc'::text") == [("abc",)]


def test_notices_and_their_handlers_are_taken_back(one, driver):
    pool = one()
    heard = []
    with pool.connection() as conn:
        if driver.name == "psycopg":
            conn.add_notice_handler(heard.append)
        else:
            conn.notices = heard
        run(conn, "do $$ begin raise notice 'for the first'; end $$")
        assert len(heard) == 1
    with pool.connection() as conn:
        assert driver.name == "psycopg" or not list(conn.notices)
        run(conn, "do $$ begin raise notice 'for the second'; end $$")
        assert len(heard) == 1
