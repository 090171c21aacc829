"""``hold="transaction"``: when a connection goes back, and when it stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, NotSupportedError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext
from library.models import Author
from support import Thread

from multipool import Pool, get_driver
from multipool.driver import IDLE, INERROR, INTRANS, UNKNOWN

MakeAlias = Callable[..., BaseDatabaseWrapper]

OPTIONS = {"pool": {"max_size": 4, "timeout": 5, "hold": "transaction"}}


@pytest.fixture
def held(make_alias: MakeAlias) -> Any:
    """A connection that is held only while it is needed."""
    return make_alias(OPTIONS=OPTIONS)


@pytest.fixture
def authors(library: Any, make_alias: MakeAlias) -> Any:
    """The same, to a database with three authors."""
    Author.objects.bulk_create(Author(name=name) for name in ("Ada", "Bela", "Cleo"))
    library.close()
    return make_alias(OPTIONS=OPTIONS)


def used(connection: Any) -> int:
    """How many connections are checked out now."""
    found: int = connection.pool.stats().used
    return found


def ask(connection: Any, sql: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchone()[0] if cursor.description else None


# -- it goes back ------------------------------------------------------------------------


def test_a_connection_goes_back_as_soon_as_the_rows_are_read(held: Any) -> None:
    ask(held, "select 1")  # the first in a process asks for the server's version
    before = held.pool.stats().checkouts
    with held.cursor() as cursor:
        assert used(held) == 0
        cursor.execute("select generate_series(1, 5)")
        assert used(held) == 0
        assert cursor.fetchone() == (1,)
        assert cursor.fetchmany(2) == [(2,), (3,)]
        assert cursor.fetchall() == [(4,), (5,)]
        assert cursor.fetchall() == []
    assert held.pool.stats().checkouts == before + 1


def test_rows_can_be_read_after_the_connection_was_closed(held: Any) -> None:
    with held.cursor() as cursor:
        cursor.execute("select generate_series(1, 3) as number")
        held.close_pool()
        assert [name for name, *_ in cursor.description] == ["number"]
        assert cursor.rowcount == 3
        assert list(cursor) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_statement_whose_parameters_ask_for_another_keeps_its_connection(
    authors: Any, atomic: bool
) -> None:
    if authors.pool.driver.name == "psycopg":
        pytest.skip("psycopg's connections take one statement at a time, and would wait for ever")
    lent = []

    def names() -> Any:
        for number in range(3):
            with transaction.atomic(using=authors.alias) if atomic else nullcontext():
                ask(authors, "select 1")
            lent.append(used(authors))
            yield (f"author {number}",)

    with authors.cursor() as cursor:
        cursor.executemany("insert into library_author (name) values (%s)", names())
    assert set(lent) == {1}
    assert used(authors) == 0
    assert ask(authors, "select count(*) from library_author") == 3 + 3


def test_fewer_than_no_rows_are_all_that_are_left(held: Any) -> None:
    with held.cursor() as cursor:
        cursor.execute("select generate_series(1, 4)")
        cursor.fetchone()
        cursor.fetchone()
        assert cursor.fetchmany(-1) == [(3,), (4,)]
        assert cursor.fetchall() == []


def test_there_is_no_row_beyond_the_last(held: Any) -> None:
    with held.cursor() as cursor:
        cursor.execute("select generate_series(1, 4)")
        for error in (IndexError, held.Database.ProgrammingError):
            with pytest.raises(error, match="scroll to row 7"):
                cursor.scroll(7)


def test_all_results_of_executemany_are_there(held: Any) -> None:
    if held.pool.driver.name != "psycopg":
        pytest.skip("psycopg's alone")
    held.ensure_connection()
    cursor = held.connection.cursor()
    cursor.executemany("select %s::int", [(1,), (2,), (3,)], returning=True)
    other = held.pool.getconn()  # which would be the same, had it gone back
    rows = cursor.fetchall()
    while cursor.nextset():
        rows += cursor.fetchall()
    held.pool.putconn(other)
    assert rows == [(1,), (2,), (3,)]


def test_the_last_of_several_results_stays_when_there_is_no_further_one(held: Any) -> None:
    """As django-pghistory counts on, which puts a statement of its own before each."""
    with held.cursor() as cursor:
        cursor.execute("select 1; select generate_series(2, 4)")
        if held.pool.driver.name == "psycopg":
            assert cursor.fetchall() == [(1,)]
            assert cursor.nextset()
            assert cursor.fetchone() == (2,)
            assert not cursor.nextset()
        else:
            assert cursor.fetchone() == (2,)
            with pytest.raises(NotSupportedError):
                cursor.nextset()
        assert cursor.fetchall() == [(3,), (4,)]


def test_the_orm_holds_nothing_between_its_queries(authors: Any) -> None:
    for author in Author.objects.order_by("name"):
        assert used(authors) == 0
        assert Author.objects.get(pk=author.pk).name == author.name
    assert used(authors) == 0


def test_a_connection_that_failed_a_statement_goes_back(held: Any) -> None:
    with pytest.raises(DatabaseError, match="division by zero"):
        ask(held, "select 1 / 0")
    assert used(held) == 0
    assert ask(held, "select 42") == 42


def test_a_closed_server_connection_concerns_one_statement_only(held: Any) -> None:
    with pytest.raises(DatabaseError):
        ask(held, "select pg_terminate_backend(pg_backend_pid())")
    assert used(held) == 0
    assert ask(held, "select 42") == 42


def test_nothing_more_is_sent_than_the_statements(held: Any, params: dict[str, str]) -> None:
    ask(held, "select 1")
    with CaptureQueriesContext(held) as captured:
        ask(held, "select 1")
        ask(held, "select 2")
    assert [query["sql"] for query in captured.captured_queries] == ["select 1", "select 2"]
    assert held.pool.stats().opened == 1


# -- it stays ----------------------------------------------------------------------------


def test_it_stays_in_a_transaction_and_goes_back_when_that_ends(authors: Any) -> None:
    with transaction.atomic():
        pid = ask(authors, "select pg_backend_pid()")
        with transaction.atomic():
            Author.objects.create(name="Dora")
        assert used(authors) == 1
        assert ask(authors, "select pg_backend_pid()") == pid
    assert used(authors) == 0
    assert Author.objects.filter(name="Dora").exists()


def test_it_goes_back_after_a_transaction_that_was_rolled_back(authors: Any) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Author.objects.create(name="Dora")
        raise ZeroDivisionError
    assert used(authors) == 0
    assert not Author.objects.filter(name="Dora").exists()


def test_a_transaction_with_no_statement_is_no_trouble(held: Any) -> None:
    with transaction.atomic():
        pass
    assert used(held) == 0


def test_it_stays_while_autocommit_is_off(authors: Any) -> None:
    transaction.set_autocommit(False)
    Author.objects.create(name="Dora")
    transaction.rollback()
    Author.objects.create(name="Emma")
    transaction.commit()
    assert used(authors) == 1
    transaction.set_autocommit(True)
    assert used(authors) == 0
    assert {*Author.objects.values_list("name", flat=True)} == {"Ada", "Bela", "Cleo", "Emma"}


def test_it_stays_in_a_transaction_that_was_begun_in_sql(held: Any) -> None:
    with held.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("select 1")
        assert used(held) == 1
        cursor.execute("commit")
        assert used(held) == 0


@pytest.mark.parametrize(
    "sql",
    [
        "set statement_timeout = 12345",
        "create temporary table t (a int)",
        "select pg_advisory_lock(1)",
        "listen something",
        "select set_config('statement_timeout', '12345', false)",
    ],
)
def test_it_stays_with_state_in_the_session_until_the_request_ends(held: Any, sql: str) -> None:
    ask(held, sql)
    pid = ask(held, "select pg_backend_pid()")
    assert used(held) == 1
    assert ask(held, "select pg_backend_pid()") == pid
    held.close_if_unusable_or_obsolete()
    assert used(held) == 0
    assert ask(held, "select current_setting('statement_timeout')") == "0"
    assert ask(held, "select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_it_stays_with_a_cursor_on_the_server_until_that_is_closed(authors: Any) -> None:
    names = Author.objects.order_by("name").values_list("name", flat=True).iterator(chunk_size=1)
    assert next(names) == "Ada"
    assert used(authors) == 1
    assert Author.objects.count() == 3
    assert used(authors) == 1
    assert list(names) == ["Bela", "Cleo"]
    assert used(authors) == 0
    assert authors.pool.stats().opened == 1


def test_what_a_session_was_touched_by_beside_an_iterator_still_stays(authors: Any) -> None:
    names = Author.objects.values_list("name", flat=True).iterator(chunk_size=1)
    next(names)
    ask(authors, "set statement_timeout = 12345")
    assert len(list(names)) == 2
    assert used(authors) == 1


def test_a_cursor_on_the_server_that_nobody_closes_goes_with_the_request(authors: Any) -> None:
    names = Author.objects.values_list("name", flat=True).iterator(chunk_size=1)
    next(names)
    authors.close()
    assert used(authors) == 0
    assert ask(authors, "select count(*) from pg_cursors") == 0


def test_a_cursor_on_the_server_says_so_when_its_transaction_is_over(authors: Any) -> None:
    with transaction.atomic():
        names = Author.objects.values_list("name", flat=True).iterator(chunk_size=1)
        next(names)
    with pytest.raises(InterfaceError, match="went back"):
        list(names)
    assert used(authors) == 0  # it took no other connection


def test_a_cursor_on_the_server_is_not_looked_for_on_another_connection(authors: Any) -> None:
    """Not even where the leases of both have the same number."""
    with transaction.atomic():
        names = Author.objects.values_list("name", flat=True).iterator(chunk_size=1)
        next(names)
        first = authors.connection.lent._multipool_slot
        number = first.serial
    with authors.pool.connection() as theirs:
        assert theirs._multipool_slot is first
        with transaction.atomic():
            ask(authors, "select 1")
            authors.connection._serial = number
            authors.connection.lent._multipool_slot.serial = number
            with pytest.raises(InterfaceError, match="went back"):
                list(names)
            assert ask(authors, "select 42") == 42


def test_it_stays_within_a_hold(held: Any) -> None:
    with held.pool.hold():
        assert used(held) == 0
        pid = ask(held, "select pg_backend_pid()")
        assert used(held) == 1
        with transaction.atomic():
            assert ask(held, "select pg_backend_pid()") == pid
        assert used(held) == 1
        assert held.connection.info.backend_pid == pid
    assert used(held) == 0


def test_what_was_handed_out_within_a_hold_goes_back_at_its_end(held: Any) -> None:
    held.ensure_connection()
    with held.pool.hold():
        assert held.connection.info.backend_pid
        assert used(held) == 1
    assert used(held) == 0


def test_what_a_hold_keeps_is_not_given_back_by_another_thread_on_the_same_connection(
    held: Any,
) -> None:
    held.ensure_connection()
    held.inc_thread_sharing()
    try:
        with held.pool.hold():
            ask(held, "select 1")
            for _ in range(2):
                other = Thread(lambda: ask(held, "select 2"))
                assert other.outcome() == 2
                assert used(held) == 1
            other = Thread(lambda: asks_within_a_hold(held))
            assert other.outcome() == 1
            assert used(held) == 1
            Thread(held.connection.unwrap).outcome()  # which is bound by no block
        assert used(held) == 1
        held.close()
        assert used(held) == 0
    finally:
        held.dec_thread_sharing()


def asks_within_a_hold(held: Any) -> Any:
    with held.pool.hold():
        ask(held, "select 1")
        return used(held)


def test_what_tracers_ask_of_a_connection_does_not_bind_it(held: Any) -> None:
    """As Sentry does with each statement."""
    with held.cursor() as cursor:
        asked = cursor.connection
        assert asked.info.dbname == held.settings_dict["NAME"]
        assert (asked.info.host, asked.info.port) != (None, None)
        if hasattr(asked, "get_dsn_parameters"):
            assert asked.get_dsn_parameters()["dbname"] == held.settings_dict["NAME"]
        if hasattr(asked, "encoding"):
            assert asked.encoding
        assert not hasattr(asked, "what_no_driver_has")
    assert used(held) == 0
    assert asked.info.backend_pid
    assert used(held) == 1


def test_what_reports_on_queries_ask_for_does_not_bind_a_connection(held: Any) -> None:
    """As django-debug-toolbar and django-pghistory do with each statement."""

    def look(connection: Any, cursor: Any) -> int:
        status: int = connection.info.transaction_status
        if hasattr(connection, "get_transaction_status"):  # psycopg2's, and what has its face
            assert connection.get_transaction_status() == status
        if held.pool.driver.name == "psycopg":
            assert status.name in ("IDLE", "INTRANS", "INERROR", "UNKNOWN")
        assert getattr(cursor, "name", None) is None
        return status

    ask(held, "select 1")
    with held.cursor() as cursor:
        for _ in range(2):
            assert look(held.connection, cursor) == IDLE
            level = held.connection.isolation_level
            assert used(held) == 0
        with transaction.atomic():
            cursor.execute("select 1")
            assert look(held.connection, cursor) == INTRANS
            assert held.connection.isolation_level == level
            with suppress(DatabaseError), transaction.atomic():
                cursor.execute("select 1 / 0")
            with suppress(DatabaseError):
                cursor.execute("select 1 / 0")
            assert look(held.connection, cursor) == INERROR
            transaction.set_rollback(True)
        assert used(held) == 0
    stand_in = held.connection
    held.close()
    assert stand_in.info.transaction_status == UNKNOWN


def test_the_status_is_told_where_all_connections_are_lent(make_alias: MakeAlias) -> None:
    options = {"pool": {"max_size": 1, "timeout": 0, "hold": "transaction"}}
    held: Any = make_alias(OPTIONS=options)
    ask(held, "select 1")
    with held.pool.connection():
        assert held.connection.info.transaction_status == IDLE


@pytest.mark.parametrize("name", ["readonly", "read_only", "no_such_thing", "pgconn"])
def test_to_ask_whether_there_is_something_binds_only_if_there_is(held: Any, name: str) -> None:
    ask(held, "select 1")
    stays = name == "pgconn" and held.pool.driver.name == "psycopg"
    hasattr(held.connection, name)
    assert used(held) == stays
    held.close()
    held.ensure_connection()
    assert not hasattr(held.connection.info, "no_such_thing")
    assert used(held) == 0


def test_a_statement_can_be_cancelled_from_another_thread(held: Any, params: Any) -> None:
    ask(held, "select 1")
    asked = held.connection
    asked.cancel()  # of nothing
    assert used(held) == 0
    driver = held.pool.driver
    watcher = driver.connect(params, timeout=10)

    def cancel_when_it_runs() -> None:
        cursor = watcher.cursor()
        while True:
            cursor.execute(
                "select count(*) from pg_stat_activity where query like '%pg_sleep(61%'"
                " and pid <> pg_backend_pid() and state = 'active'"
            )
            (found,) = cursor.fetchone()
            watcher.rollback()
            if found:
                asked.cancel()
                return

    try:
        other = Thread(cancel_when_it_runs)
        with pytest.raises(DatabaseError, match="cancel"):
            ask(held, "select pg_sleep(61)")
        other.outcome()
    finally:
        driver.close(watcher)
    assert used(held) == 0


def test_a_hold_that_ends_in_a_transaction_leaves_it_alone(authors: Any) -> None:
    with transaction.atomic():
        with authors.pool.hold():
            Author.objects.create(name="Dora")
        assert used(authors) == 1
    assert used(authors) == 0
    assert Author.objects.filter(name="Dora").exists()


def test_it_stays_when_the_drivers_connection_was_handed_out(held: Any) -> None:
    ask(held, "select 1")
    pid = held.connection.info.backend_pid
    assert used(held) == 1
    assert ask(held, "select pg_backend_pid()") == pid
    held.close_if_unusable_or_obsolete()
    assert used(held) == 0


def test_to_ask_a_cursor_for_what_the_drivers_has_not_binds_no_connection(held: Any) -> None:
    with held.cursor() as cursor:
        cursor.execute("select 1")
        assert not hasattr(cursor, "no_such_thing")
        assert used(held) == 0
        assert cursor.fetchone() == (1,)


def test_the_drivers_own_connection_can_be_had(held: Any) -> None:
    with held.pool.hold():
        held.ensure_connection()
        own = held.connection.unwrap()
        assert own is held.connection.lent
        with held.cursor() as cursor:
            cursor.execute("select 1")
            assert cursor.cursor.unwrap().connection is own
    assert used(held) == 0


# -- as before ---------------------------------------------------------------------------


def test_a_cursor_made_in_a_transaction_runs_elsewhere_after_it(held: Any) -> None:
    with transaction.atomic():
        cursor = held.cursor()
        cursor.execute("select pg_backend_pid()")
    cursor.execute("select 42")
    assert cursor.fetchone() == (42,)
    assert used(held) == 0


def test_a_cursor_of_a_connection_that_django_closed_is_of_no_use(held: Any) -> None:
    cursor = held.cursor()
    cursor.execute("select 1")
    held.close()
    with pytest.raises(Exception, match="already closed"):
        cursor.execute("select 1")
    assert used(held) == 0


def test_on_commit_runs_when_the_transaction_has_gone_back(authors: Any) -> None:
    seen = []
    with transaction.atomic():
        Author.objects.create(name="Dora")
        transaction.on_commit(lambda: seen.append(Author.objects.count()))
    assert seen == [4]
    transaction.on_commit(lambda: seen.append(used(authors)))
    assert seen == [4, 0]


def test_set_rollback_and_savepoints_are_as_before(authors: Any) -> None:
    with transaction.atomic():
        Author.objects.create(name="Dora")
        transaction.set_rollback(True)
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            Author.objects.create(name="Emma")
            raise ZeroDivisionError
        Author.objects.create(name="Fay")
    assert {*Author.objects.values_list("name", flat=True)} == {"Ada", "Bela", "Cleo", "Fay"}


def test_select_for_update_locks_in_its_transaction(authors: Any) -> None:
    with transaction.atomic():
        Author.objects.select_for_update().get(name="Ada")
        other = authors.copy("other")
        with pytest.raises(DatabaseError, match="could not obtain lock"), other.cursor() as cursor:
            cursor.execute("select 1 from library_author where name = 'Ada' for update nowait")
        other.close()
        other.close_pool()


def test_execute_wrappers_see_each_statement(held: Any) -> None:
    seen = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, context["connection"] is held))
        return execute(sql, params, many, context)

    with held.execute_wrapper(wrapper):
        ask(held, "select 1")
    assert seen == [("select 1", True)]


def test_the_log_of_queries_has_their_values(held: Any) -> None:
    held.force_debug_cursor = True
    ask(held, "select %s", 42)
    held.force_debug_cursor = False
    assert "42" in held.queries_log[-1]["sql"]
    assert used(held) == 0


def test_a_request_that_left_autocommit_off_finds_it_on_again(held: Any) -> None:
    transaction.set_autocommit(False)
    ask(held, "select 1")
    held.close_if_unusable_or_obsolete()
    assert used(held) == 0
    assert transaction.get_autocommit()


def test_a_request_that_left_autocommit_on_finds_it_off_again_where_the_settings_say_so(
    make_alias: MakeAlias,
) -> None:
    connection: Any = make_alias(AUTOCOMMIT=False, OPTIONS=OPTIONS)
    ask(connection, "select 1")
    connection.rollback()
    connection.set_autocommit(True)
    ask(connection, "select 1")
    connection.close_if_unusable_or_obsolete()
    ask(connection, "select 1")
    assert not connection.get_autocommit()
    assert used(connection) == 1
    connection.close_if_unusable_or_obsolete()
    assert used(connection) == 0


def test_the_end_of_a_request_with_an_error_asks_nothing(held: Any) -> None:
    with pytest.raises(DatabaseError):
        ask(held, "select 1 / 0")
    before = held.pool.stats().checkouts
    held.close_if_unusable_or_obsolete()
    assert held.pool.stats().checkouts == before
    assert not held.errors_occurred


def test_a_setting_that_was_changed_in_place_holds_for_the_next_request(held: Any) -> None:
    before = ask(held, "select current_database()")
    held.settings_dict["NAME"] = "postgres"  # as the test runner changes it
    held.close_if_unusable_or_obsolete()
    assert ask(held, "select current_database()") == "postgres"
    assert before != "postgres"


def test_a_subclass_that_closes_in_its_own_way_does_so_at_the_end_of_each_request(
    held: Any,
) -> None:
    """Such as one that has noted which search_path it has set."""
    closed = []

    class Wrapper(type(held)):  # type: ignore[misc]
        def close(self) -> None:
            closed.append(self.connection is not None)
            super().close()

    own = Wrapper(held.settings_dict, "default")
    for _ in range(2):
        assert ask(own, "select 1") == 1
        own.close_if_unusable_or_obsolete()
    assert closed == [True, True]


def test_times_come_in_the_time_zone_of_the_settings(held: Any) -> None:
    assert ask(held, "show timezone") == "UTC"
    assert str(ask(held, "select now()").tzinfo) == "UTC"


def test_django_connects_with_the_same_outcome_in_both_ways(
    held: Any, make_alias: MakeAlias
) -> None:
    plain: Any = make_alias("plain", OPTIONS={"pool": {"max_size": 4}})
    for connection in (held, plain):
        # What a connection that was lost in a transaction leaves behind.
        connection.needs_rollback = connection.closed_in_transaction = True
        connection.run_on_commit = [None]
        connection.ensure_connection()
    simple = {n for n, v in vars(plain).items() if isinstance(v, (bool, int, str, list))}
    simple -= {"alias", "pg_version", "_serial"}
    assert {"autocommit", "needs_rollback", "run_on_commit"} < simple
    assert [(n, vars(held)[n]) for n in simple] == [(n, vars(plain)[n]) for n in simple]


# -- the signal --------------------------------------------------------------------------


def test_the_signal_comes_once_for_each_connection_and_what_it_sets_stays(held: Any) -> None:
    seen = []

    def receive(connection: Any, **kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = '54321ms'")
            cursor.execute("set app.mode = 'web'")
        seen.append(connection)

    connection_created.connect(receive)
    try:
        assert ask(held, "show statement_timeout") == "54321ms"
        assert used(held) == 0
        held.close()
        assert ask(held, "show statement_timeout") == "54321ms"
        assert seen == [held]
        # What is reset goes back to it.
        ask(held, "set statement_timeout = 1")
        held.close()
        assert ask(held, "show statement_timeout") == "54321ms"
        assert ask(held, "select current_setting('app.mode')") == "web"
    finally:
        connection_created.disconnect(receive)


@pytest.mark.parametrize("other", ["transaction", "request"])
def test_what_is_set_for_one_alias_is_not_there_for_another_that_shares_the_pool(
    make_alias: MakeAlias, driver_name: str, other: str
) -> None:
    seen = []

    def receive(connection: Any, **kwargs: Any) -> None:
        seen.append(connection.alias)
        if connection.alias == "reports":
            with connection.cursor() as cursor:
                cursor.execute("set statement_timeout = '54321ms'")

    configure = "set work_mem = '123kB'"
    lender = Pool(
        "",
        driver=driver_name,
        name="web",
        max_size=1,
        configure=lambda conn: get_driver(driver_name).execute(conn, configure),
    )
    see = "select current_setting('statement_timeout') || ' ' || current_setting('work_mem')"
    connection_created.connect(receive)
    try:
        shared = {"shared": "web"}
        default: Any = make_alias(OPTIONS={"pool": {**shared, "hold": other}})
        reports: Any = make_alias("reports", OPTIONS={"pool": {**shared, "hold": "transaction"}})
        assert default.pool is reports.pool
        pids = set()
        for _ in range(2):
            assert ask(default, see) == "0 123kB"
            pids.add(ask(default, "select pg_backend_pid()"))
            default.close()
            for _ in range(2):
                assert ask(reports, see) == "54321ms 123kB"
                pids.add(ask(reports, "select pg_backend_pid()"))
                reports.close()
        assert len(pids) == 1
        assert seen == 2 * ["default", "reports"]
    finally:
        connection_created.disconnect(receive)
        lender.close()


def test_what_a_subclass_sets_as_it_connects_is_there_on_every_connection(held: Any) -> None:
    called = []

    class Wrapper(type(held)):  # type: ignore[misc]
        def init_connection_state(self) -> None:
            super().init_connection_state()
            called.append(self)
            with self.cursor() as cursor:
                cursor.execute("set statement_timeout = '54321ms'")

    own = Wrapper(held.settings_dict, "default")
    try:
        for _ in range(2):
            assert ask(own, "show statement_timeout") == "54321ms"
            assert used(own) == 0
            with own.pool.connection():
                assert ask(own, "show statement_timeout") == "54321ms"
            own.close_if_unusable_or_obsolete()
        # Once for each connection, as the signal comes.
        assert len(called) == own.pool.stats().opened == 2
        ask(own, "set statement_timeout = 0")
        own.close()
        assert ask(own, "show statement_timeout") == "54321ms"
    finally:
        own.close()
        own.close_pool()


def test_a_receiver_that_comes_later_hears_once_of_the_connections_there_are(held: Any) -> None:
    assert ask(held, "select 1") == 1
    seen = []

    def receive(connection: Any, **kwargs: Any) -> None:
        seen.append(connection)

    connection_created.connect(receive)
    try:
        for _ in range(2):
            assert ask(held, "select 1") == 1
            held.close()
        assert seen == [held]
    finally:
        connection_created.disconnect(receive)
    assert ask(held, "select 1") == 1
    assert seen == [held]


def test_what_was_greeted_is_still_lent_to_who_borrowed_it(authors: Any) -> None:
    """Else two threads would have one connection, and a block's statements be on two."""

    def receive(connection: Any, **kwargs: Any) -> None:
        ask(connection, "select 1")

    connection_created.connect(receive)
    try:
        with transaction.atomic():
            assert used(authors) == 1
            pid = ask(authors, "select pg_backend_pid()")
            with authors.pool.connection() as other:
                assert other.info.backend_pid != pid
        assert used(authors) == 0
        authors.pool.drain()
        assert authors.connection.unwrap()._multipool_slot.leased
    finally:
        connection_created.disconnect(receive)


def test_a_receiver_that_closes_the_connection_is_told_of(held: Any) -> None:
    def receive(connection: Any, **kwargs: Any) -> None:
        connection.close()

    connection_created.connect(receive)
    try:
        with pytest.raises(InterfaceError, match="a receiver of connection_created closed"):
            ask(held, "select 1")
        assert used(held) == 0
    finally:
        connection_created.disconnect(receive)


def test_a_receiver_that_raises_lets_nobody_have_the_connection(held: Any) -> None:
    def receive(connection: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    connection_created.connect(receive)
    try:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                ask(held, "select 1")
            assert used(held) == 0
    finally:
        connection_created.disconnect(receive)
    assert ask(held, "select 42") == 42


IMPORT = """
from django.contrib.postgres import operations
from django.db import connections
"""

EXTEND = """
connection = connections["held"]

def pid():
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return cursor.fetchone()[0]

before = pid()
assert pid() == before
operations.register_type_handlers(connection)  # as CreateExtension does
assert pid() != before
print("done")
"""


# Whoever comes first has the pool made, and this is one that holds its connections.
SHARE = """
from multipool import Pool

lender = Pool("", driver={driver!r}, name="web")
for alias in ("default", "held"):
    connections[alias].settings_dict["OPTIONS"]["pool"]["shared"] = "web"
connections["default"].ensure_connection()
connections["default"].close()
"""


@pytest.mark.parametrize(
    ("shared", "apps"), [(False, ("multipool_django", "django.contrib.postgres")), (True, ())]
)
def test_a_migration_that_creates_an_extension_has_no_old_connection_go_on_without_it(
    manage: Callable[..., Any],
    database: dict[str, Any],
    driver_name: str,
    shared: bool,
    apps: tuple[str, ...],
) -> None:
    held = {"pool": {"hold": "transaction"}}
    databases = {
        "default": {**database, "OPTIONS": {"pool": {"hold": "request"}}},
        "held": {**database, "OPTIONS": held},
    }
    script = IMPORT + (SHARE.format(driver=driver_name) if shared else "") + EXTEND
    done = manage("shell", "-v", "0", "-c", script, databases=databases, apps=apps)
    assert done.stdout == "done\n"


# -- settings ----------------------------------------------------------------------------


def test_hold_is_one_of_two_words(make_alias: MakeAlias) -> None:
    wrong: Any = make_alias(OPTIONS={"pool": {"hold": "statement"}})
    with pytest.raises(ImproperlyConfigured, match="'statement'; it must be 'request' or 'trans"):
        ask(wrong, "select 1")
    wrong.settings_dict["OPTIONS"]["pool"]["hold"] = "request"


def test_by_default_a_connection_is_held_until_the_request_ends(make_alias: MakeAlias) -> None:
    plain: Any = make_alias(OPTIONS={"pool": {"max_size": 4}})
    ask(plain, "select 1")
    assert used(plain) == 1
