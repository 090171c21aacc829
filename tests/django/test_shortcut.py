"""The shortcut to a connection leaves things as Django's own way does, and is taken only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import OperationalError, ProgrammingError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django.test import override_settings

MakeAlias = Callable[..., Any]


@pytest.fixture
def whole_ways(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The wrappers that went Django's whole way, in turn."""
    gone: list[Any] = []
    whole: Any = BaseDatabaseWrapper.check_settings

    def check_settings(wrapper: Any) -> None:
        gone.append(wrapper)
        whole(wrapper)

    monkeypatch.setattr(BaseDatabaseWrapper, "check_settings", check_settings)
    return gone


def visit(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    connection.close()


def close_in_transaction(connection: Any) -> None:
    """Leave as much behind as a connection can."""
    with transaction.atomic(using=connection.alias), transaction.atomic(using=connection.alias):
        transaction.on_commit(print, using=connection.alias)
        visit(connection)


def state(connection: Any) -> dict[str, Any]:
    """Return what a wrapper just connected is like, but for what differs each time."""
    connection.ensure_connection()
    differs = {"connection", "close_at", "_serial", "_seen", "_span", "savepoint_state"}
    return {name: value for name, value in vars(connection).items() if name not in differs}


@pytest.mark.parametrize("leave", [visit, close_in_transaction])
@pytest.mark.parametrize("settings", [{}, {"AUTOCOMMIT": False}, {"CONN_HEALTH_CHECKS": True}])
def test_it_leaves_the_wrapper_as_djangos_own_way_does(
    make_alias: MakeAlias,
    whole_ways: list[Any],
    settings: dict[str, Any],
    leave: Callable[[Any], object],
) -> None:
    connection = make_alias(**settings)
    visit(connection)
    assert whole_ways == [connection]

    def look() -> dict[str, Any]:
        if connection.settings_dict["AUTOCOMMIT"]:
            leave(connection)
        else:
            visit(connection)
        seen = state(connection)
        seen["over"] = connection.close_at <= monotonic()
        connection.close()
        return seen

    by_shortcut = look()
    assert whole_ways == [connection]
    connection._seen = None
    assert look() == by_shortcut
    assert len(whole_ways) > 1


def test_it_is_taken_again_only_after_a_changed_setting_was_heeded(
    make_alias: MakeAlias, whole_ways: list[Any]
) -> None:
    connection = make_alias()
    for _ in range(3):
        visit(connection)
    assert len(whole_ways) == 1
    connection.settings_dict["OPTIONS"]["application_name"] = "shop"
    for _ in range(3):
        visit(connection)
    assert len(whole_ways) == 2
    connection.close_pool()
    visit(connection)
    assert len(whole_ways) == 3


@pytest.mark.parametrize(
    "hook",
    [
        *("init_connection_state", "get_new_connection", "check_settings", "set_autocommit"),
        *("create_cursor", "_prepare_cursor", "make_cursor", "validate_thread_sharing"),
    ],
)
def test_a_subclass_with_a_hook_of_its_own_has_it_called_each_time(
    make_alias: MakeAlias, hook: str
) -> None:
    connection = make_alias()
    called = []

    def own(self: Any, *args: Any) -> Any:
        called.append(hook)
        return getattr(super(subclass, self), hook)(*args)

    subclass: Any = type("Subclass", (type(connection),), {hook: own})
    wrapper = subclass(connection.settings_dict, connection.alias)
    for _ in range(3):
        called.clear()
        visit(wrapper)
        assert called
    wrapper.close_pool()


@pytest.mark.parametrize("hook", ["connect", "ensure_connection"])
@pytest.mark.parametrize("where", ["subclass", "instance", "django"])
def test_a_cursor_connects_by_whatever_stands_for_djangos(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch, hook: str, where: str
) -> None:
    connection = make_alias()
    visit(connection)
    visit(connection)
    called = []
    if where == "subclass":
        called_by: Any = type("Subclass", (type(connection),), {})
        connection = called_by(connection.settings_dict, connection.alias)
        visit(connection)
    elif where == "instance":
        called_by = connection
    else:
        called_by = BaseDatabaseWrapper
    whole = getattr(called_by, hook)

    def own(*args: Any) -> Any:
        called.append(hook)
        return whole(*args)

    monkeypatch.setattr(called_by, hook, own)
    for times in range(1, 3):
        visit(connection)
        assert len(called) == times
    monkeypatch.undo()
    connection.close_pool()


@pytest.mark.parametrize("hold", ["request", "transaction"])
@pytest.mark.parametrize("where", ["instance", "django"])
def test_who_forbids_the_database_forbids_it_to_a_connection_that_is_open_too(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch, where: str, hold: str
) -> None:
    connection = make_alias(OPTIONS={"pool": {"hold": hold}})
    connection.cursor().execute("select 1")

    def forbid(*wrapper: Any) -> None:
        raise RuntimeError("Database access not allowed")  # as pytest-django does

    target: Any = connection if where == "instance" else BaseDatabaseWrapper
    with monkeypatch.context() as patch:
        patch.setattr(target, "ensure_connection", forbid)
        with pytest.raises(RuntimeError, match="not allowed"):
            connection.cursor()
    visit(connection)


@pytest.mark.parametrize("hook", ["_commit", "_rollback"])
def test_a_transaction_ends_by_whatever_stands_for_djangos(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    connection = make_alias()
    called = []
    whole: Any = getattr(BaseDatabaseWrapper, hook)

    def own(wrapper: Any) -> Any:  # as sentry_sdk does
        called.append(hook)
        return whole(wrapper)

    monkeypatch.setattr(BaseDatabaseWrapper, hook, own)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("select 1")
        transaction.set_rollback(hook == "_rollback", using=connection.alias)
    assert called == [hook]


def test_a_tracer_in_the_place_of_djangos_methods_notes_each_of_their_calls(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []

    def trace(owner: Any, name: str) -> None:
        djangos = getattr(owner, name)

        def own(self: Any, *args: Any) -> Any:
            noted.append(name)
            return djangos(self, *args)

        monkeypatch.setattr(owner, name, own)

    connection = make_alias()
    visit(connection)
    for name in ("connect", "_commit", "_rollback"):  # all that sentry_sdk replaces
        trace(BaseDatabaseWrapper, name)
    for name in ("execute", "executemany"):
        trace(CursorWrapper, name)
    for _ in range(3):
        noted.clear()
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.executemany("select %s", [(1,), (2,)])
        connection.close()
        assert noted == ["connect", "execute", "executemany", "_commit"]
    monkeypatch.undo()
    connection.close_pool()


@pytest.mark.parametrize("name", ["cursor", "close", "_prepare_cursor"])
def test_what_another_library_has_put_in_the_place_of_djangos_own_is_called(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    called = []
    djangos: Any = getattr(BaseDatabaseWrapper, name)

    def own(*args: Any) -> Any:
        called.append(name)
        return djangos(*args)

    monkeypatch.setattr(BaseDatabaseWrapper, name, own)
    connection = make_alias()
    for times in range(1, 4):
        visit(connection)
        assert len(called) == times
    monkeypatch.undo()
    connection.close_pool()


def test_a_cursor_under_debug_is_djangos_that_logs(make_alias: MakeAlias) -> None:
    connection = make_alias()
    visit(connection)
    for debug in (True, False, True):
        with override_settings(DEBUG=debug), connection.cursor() as cursor:
            assert isinstance(cursor, CursorDebugWrapper) is debug
        connection.close()


def test_a_close_leaves_no_connection_whatever_a_subclass_closes_by(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make_alias()
    for _ in range(2):
        connection.ensure_connection()
        connection.close()
    connection.ensure_connection()
    monkeypatch.setattr(type(connection), "_close", lambda self: self.connection.close())
    connection.close()
    assert connection.connection is None


def test_a_close_is_refused_where_an_event_loop_runs(make_alias: MakeAlias) -> None:
    connection = make_alias()
    visit(connection)
    cursor = connection.cursor()

    async def close() -> None:
        connection.close()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(close())
    cursor.close()
    connection.close()


def test_a_cursor_is_refused_where_an_event_loop_runs_before_anything_is_lent(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias()
    visit(connection)

    async def cursor() -> None:
        connection.cursor()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(cursor())
    assert connection.connection is None


def test_a_cursor_that_finds_no_connection_raises_djangos_error(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    visit(connection)
    visit(connection)
    with connection.pool.connection(), pytest.raises(OperationalError):
        connection.cursor()
    assert connection.errors_occurred
    visit(connection)


def test_none_is_opened_in_the_atomic_block_in_which_one_was_closed(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias()
    visit(connection)
    with transaction.atomic(using=connection.alias):
        connection.close()
        with pytest.raises(ProgrammingError, match="in an atomic block"):
            connection.cursor()


def test_it_is_refused_where_an_event_loop_runs(make_alias: MakeAlias) -> None:
    connection = make_alias()
    visit(connection)

    async def connect() -> None:
        connection.connect()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(connect())
