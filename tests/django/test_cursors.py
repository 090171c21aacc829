"""The wrapper around a driver's cursor does what Django's does, and gives way to others'."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import (
    DataError,
    IntegrityError,
    ProgrammingError,
    connections,
    transaction,
)
from django.db.backends import utils
from django.db.backends.utils import CursorWrapper
from django.db.transaction import TransactionManagementError
from django.db.utils import DatabaseError, Error

from multipool_django.cursors import ShortCursorWrapper, refusing, wrapper_class

MakeAlias = Callable[..., Any]

#: What another library may have replaced.
HOOKS = ("__init__", "execute", "_execute", "_execute_with_wrappers", "__getattr__")


@pytest.fixture
def connection(make_alias: MakeAlias) -> Any:
    return make_alias()


def test_a_cursor_is_wrapped_in_the_short_one(connection: Any) -> None:
    with connection.cursor() as cursor:
        assert type(cursor) is ShortCursorWrapper
        cursor.execute("select %s", [1])
        assert cursor.fetchone() == (1,)
        cursor.execute("select generate_series(1, 5)")
        assert [tuple(row) for row in cursor.fetchmany(2)] == [(1,), (2,)]
        assert [tuple(row) for row in cursor.fetchmany(size=2)] == [(3,), (4,)]
        assert [tuple(row) for row in cursor.fetchall()] == [(5,)]
        assert cursor.rowcount == 5
    with pytest.raises(Error):
        cursor.execute("select 1")


@pytest.mark.parametrize("hook", HOOKS)
def test_django_s_own_is_taken_where_another_library_has_replaced_a_method(
    connection: Any, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    own: Any = getattr(CursorWrapper, hook)

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        called.append(hook)
        return own(self, *args, **options)

    monkeypatch.setattr(CursorWrapper, hook, traced)
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        cursor.fetchone()
    assert type(cursor) is refusing(CursorWrapper)
    assert called


@pytest.mark.parametrize("hook", ["fetchone", "fetchmany", "fetchall", "close"])
def test_django_s_own_is_taken_where_another_library_has_added_a_method(
    connection: Any, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def traced(self: Any, *args: Any) -> Any:
        called.append(hook)
        return getattr(self.cursor, hook)(*args)

    monkeypatch.setattr(CursorWrapper, "anything_else", traced, raising=False)
    assert wrapper_class() is ShortCursorWrapper
    monkeypatch.setattr(CursorWrapper, hook, traced, raising=False)
    cursor = connection.cursor()
    cursor.execute("select 1")
    getattr(cursor, hook)()
    assert called == [hook]
    monkeypatch.undo()
    assert wrapper_class() is ShortCursorWrapper


def test_a_class_in_the_place_of_django_s_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(CursorWrapper):
        pass

    monkeypatch.setattr(utils, "CursorWrapper", Other)
    assert wrapper_class() is refusing(Other)


def test_a_function_in_the_place_of_django_s_class_is_taken(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(cursor: Any, db: Any) -> tuple[Any, Any]:
        return cursor, db

    monkeypatch.setattr(utils, "CursorWrapper", other)
    assert connection.cursor()[1] is connection


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("select 1/0", None, DataError),
        ("select nothing", None, ProgrammingError),
        ("select %s::int", ["x"], DataError),
    ],
)
def test_an_error_is_django_s_and_has_the_driver_s_for_its_cause(
    connection: Any, sql: str, values: Any, expected: type[Exception]
) -> None:
    with connection.cursor() as cursor:
        with pytest.raises(expected) as caught:
            cursor.execute(sql, values)
        assert isinstance(caught.value.__cause__, connection.Database.Error)
        cursor.execute("set application_name = 'x'")
        for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall):
            with pytest.raises(Error) as caught_here:
                fetch()
            assert isinstance(caught_here.value.__cause__, connection.Database.Error)


def test_an_error_that_may_have_cost_the_connection_is_noted(connection: Any) -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor, pytest.raises(DataError):
        cursor.execute("select 1/0")
    assert not connection.errors_occurred
    with connection.cursor() as cursor, pytest.raises(ProgrammingError):
        cursor.execute("select nothing")
    assert connection.errors_occurred


def test_an_error_that_is_not_the_driver_s_goes_through(connection: Any) -> None:
    with connection.cursor() as cursor, pytest.raises(Exception) as caught:
        cursor.execute("select %s", 5)
    assert not isinstance(caught.value, IntegrityError)
    with connection.cursor() as cursor, pytest.raises(AttributeError):
        cursor.no_such_thing  # noqa: B018


def test_nothing_is_executed_in_a_broken_transaction(connection: Any) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        transaction.set_rollback(True, using=connection.alias)
        with pytest.raises(TransactionManagementError):
            cursor.execute("select 1")


def test_execute_wrappers_are_called(connection: Any) -> None:
    seen = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, many, type(context["cursor"])))
        return execute(sql, params, many, context)

    with connection.cursor() as cursor, connection.execute_wrapper(wrapper):
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)
    assert seen == [("select 1", False, ShortCursorWrapper)]


def test_a_query_before_the_apps_are_ready_is_warned_about(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        monkeypatch.setattr(apps, "ready", False)
        monkeypatch.setattr(apps, "stored_app_configs", [])
        with pytest.warns(RuntimeWarning, match="app initialization"):
            cursor.execute("select 1")


def test_queries_are_logged_when_asked(connection: Any) -> None:
    connection.force_debug_cursor = True
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("select 1")
    assert [query["sql"] for query in connection.queries_log] == ["BEGIN", "select 1", "COMMIT"]


def test_another_thread_is_refused_a_cursor_and_a_commit(connection: Any) -> None:
    connection.ensure_connection()
    refused = []

    def use() -> None:
        for what in (connection.cursor, connection.commit, connection.close):
            try:
                what()
            except DatabaseError as error:
                refused.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(refused) == 3
    connection.inc_thread_sharing()
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    connection.dec_thread_sharing()
    assert len(refused) == 3
    assert connections[connection.alias] is connection
