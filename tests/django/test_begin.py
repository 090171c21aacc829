"""What Django's users see of a BEGIN that travels with the first statement: nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    transaction,
)
from django.db.transaction import TransactionManagementError
from library.models import Author

from multipool import get_driver
from multipool.driver import IDLE, INTRANS

MakeAlias = Callable[..., Any]


def ask(connection: Any, sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchone()[0]


def status(connection: Any) -> int:
    return get_driver(connection.driver).status(connection.connection)


def in_transaction(connection: Any) -> bool:
    """Return whether two statements see the same moment, as they do in a transaction only."""
    return bool(ask(connection, "select now()") == ask(connection, "select now()"))


def test_the_log_of_queries_has_djangos_begin_and_the_statement_as_it_was_written(
    connection: Any,
) -> None:
    connection.force_debug_cursor = True
    with transaction.atomic():
        ask(connection, "select %s", "a")
        ask(connection, "select 2")
    with pytest.raises(ProgrammingError), transaction.atomic():
        ask(connection, "select nothing")
    logged = [query["sql"] for query in connection.queries_log]
    assert logged == [
        "BEGIN",
        "select 'a'",
        "select 2",
        "COMMIT",
        "BEGIN",
        "select nothing",
        "ROLLBACK",
    ]


def test_an_execute_wrapper_sees_the_statement_as_it_was_written(connection: Any) -> None:
    seen: list[tuple[str, Any]] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper), transaction.atomic():
        ask(connection, "select %s", "a")
    assert seen == [("select %s", ("a",))]


@pytest.mark.parametrize(
    ("sql", "error", "text"),
    [
        ("select nothing", ProgrammingError, "LINE 1: select nothing\n {15}\\^"),
        ("select 1,\n nothing", ProgrammingError, "LINE 2:  nothing\n {9}\\^"),
        ("selec 1", ProgrammingError, "LINE 1: selec 1\n {8}\\^"),
        ("select 'x'::integer", DataError, "LINE 1: select 'x'::integer\n {15}\\^"),
    ],
)
def test_an_error_names_the_place_in_the_statement_and_leaves_the_transaction_failed(
    connection: Any, sql: str, error: type[DatabaseError], text: str
) -> None:
    with pytest.raises(error, match=text), transaction.atomic():
        try:
            ask(connection, sql)
        except DatabaseError:
            with pytest.raises(DatabaseError, match="current transaction is aborted"):
                ask(connection, "select 1")
            raise
    assert ask(connection, "select 1") == 1


def test_savepoints_undo_what_they_hold_and_no_more(library: Any) -> None:
    with transaction.atomic():
        with pytest.raises(LookupError), transaction.atomic():
            Author.objects.create(name="undone")
            raise LookupError
        Author.objects.create(name="kept")
        with pytest.raises(ProgrammingError), transaction.atomic():
            ask(library, "select nothing")
    assert list(Author.objects.values_list("name", flat=True)) == ["kept"]


def test_a_durable_block_is_committed_at_its_end(library: Any) -> None:
    with transaction.atomic(durable=True):
        Author.objects.create(name="durable")
        assert status(library) == INTRANS
    assert status(library) == IDLE
    refused = pytest.raises(RuntimeError, match="durable")
    with transaction.atomic(), refused, transaction.atomic(durable=True):
        pass
    assert Author.objects.count() == 1


def test_hooks_run_after_the_commit(library: Any) -> None:
    seen = []
    with transaction.atomic():
        Author.objects.create(name="a")
        transaction.on_commit(lambda: seen.append(status(library)))
        assert seen == []
    assert seen == [IDLE]


def test_rows_can_be_locked_by_the_first_statement(library: Any, make_alias: MakeAlias) -> None:
    Author.objects.create(name="a")
    other = make_alias("second")
    with transaction.atomic():
        assert Author.objects.select_for_update().get().name == "a"
        locked = pytest.raises(OperationalError, match="could not obtain lock")
        with locked, transaction.atomic(using="second"):
            list(Author.objects.using("second").select_for_update(nowait=True))
    with transaction.atomic(using="second"):
        assert list(Author.objects.using("second").select_for_update(nowait=True))
    other.close()
    with pytest.raises(TransactionManagementError):
        list(Author.objects.select_for_update())


def test_autocommit_off_means_transactions_that_are_ended_by_hand(library: Any) -> None:
    library.set_autocommit(False)
    try:
        assert library.get_autocommit() is False
        assert in_transaction(library)
        Author.objects.create(name="undone")
        library.rollback()
        assert status(library) == IDLE
        Author.objects.create(name="kept")
        library.commit()
        assert in_transaction(library)
        library.rollback()
    finally:
        library.set_autocommit(True)
    assert not in_transaction(library)
    assert Author.objects.get().name == "kept"


def test_an_alias_may_have_autocommit_off_in_its_settings(make_alias: MakeAlias) -> None:
    connection = make_alias(AUTOCOMMIT=False)
    assert in_transaction(connection)
    connection.rollback()
    connection.close()


def test_a_read_only_transaction_may_be_asked_for_by_the_first_statement(library: Any) -> None:
    with pytest.raises(DatabaseError, match="read-only"), transaction.atomic():
        with library.cursor() as cursor:
            cursor.execute("set transaction read only")
        Author.objects.create(name="a")


@pytest.mark.parametrize("first", [False, True])
def test_an_iterator_reads_from_the_server_wherever_it_is_in_a_transaction(
    library: Any, first: bool
) -> None:
    Author.objects.bulk_create(Author(name=f"{number:03}") for number in range(50))
    with transaction.atomic():
        if not first:
            Author.objects.count()
        names = Author.objects.order_by("name").values_list("name", flat=True)
        found = names.iterator(chunk_size=7)
        assert next(found) == "000"
        assert ask(library, "select count(*) from pg_cursors") == 1
        assert len(list(found)) == 49
    assert len(list(names.iterator(chunk_size=7))) == 50


def test_a_deferred_constraint_fails_at_the_commit_and_leaves_nothing_open(library: Any) -> None:
    with library.cursor() as cursor:
        cursor.execute("create temporary table t (n integer unique deferrable initially deferred)")
    failed = pytest.raises(IntegrityError, match="t_n_key")
    with failed, transaction.atomic(), library.cursor() as cursor:
        cursor.execute("insert into t values (1), (1)")
    assert status(library) == IDLE
    assert not in_transaction(library)


def test_the_cursor_and_its_connection_are_the_drivers(connection: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.cursor.connection is connection.connection
        assert cursor.fetchall() == [(1,)]


def test_a_connection_without_a_pool_begins_as_its_driver_does(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": False})
    with transaction.atomic():
        assert in_transaction(connection)
    assert not in_transaction(connection)
