"""Connections come back from wherever they were used."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import (
    IntegrityError,
    InterfaceError,
    close_old_connections,
    connections,
    transaction,
)
from django.db.backends.utils import CursorWrapper
from support import Thread

from multipool.driver import INTRANS

MakeAlias = Callable[..., Any]

# Of a cycle the collector may end a socket before the connection that would have closed it.
socket_first = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*Socket:pytest.PytestUnraisableExceptionWarning"
)


def pid(alias: str = "default") -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        found: int = cursor.fetchone()[0]
    return found


@pytest.fixture
def tiny(make_alias: MakeAlias) -> Any:
    """An alias with one connection, which nobody waits for."""
    return make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 5}})


@socket_first
def test_a_thread_that_ends_without_closing_gives_its_place_back_when_collected(
    tiny: Any,
) -> None:
    Thread(pid).outcome()
    gc.collect()  # Django's wrappers are reference cycles
    assert pid()
    assert tiny.pool.stats().size == 1


@socket_first
def test_a_thread_that_ends_in_a_transaction_gives_its_place_back_when_collected(
    tiny: Any,
) -> None:
    def begin() -> None:
        transaction.atomic().__enter__()
        pid()

    Thread(begin).outcome()
    gc.collect()
    assert pid()


def test_a_generator_that_nobody_finishes_keeps_no_connection(tiny: Any) -> None:
    def rows() -> Any:
        with connections["default"].cursor() as cursor:
            cursor.execute("select generate_series(1, 3)")
            yield from cursor

    def start() -> None:
        assert next(rows()) == (1,)
        connections["default"].close()

    Thread(start).outcome()
    assert pid()


def test_a_cursor_on_the_server_that_nobody_closed_is_not_there_for_the_next(tiny: Any) -> None:
    cursor = tiny.chunked_cursor()
    cursor.execute("select 'hunter2' from generate_series(1, 3)")
    tiny.close()
    with tiny.cursor() as other:
        other.execute("select name from pg_cursors")
        assert other.fetchall() == []


@pytest.mark.parametrize("hold", ["request", "transaction"])
def test_a_cursor_on_the_server_that_is_closed_late_disturbs_no_other_s_transaction(
    make_alias: MakeAlias, hold: str
) -> None:
    tiny = make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 5, "hold": hold}})
    cursor = tiny.chunked_cursor()
    cursor.execute("select generate_series(1, 3)")
    assert cursor.fetchone() == (1,)
    tiny.close()
    with transaction.atomic():
        before = pid()
        with pytest.raises(InterfaceError, match="already closed"):
            cursor.fetchone()
        cursor.close()
        assert pid() == before


@pytest.mark.parametrize("traced", [None, "logged", "patched"])
@pytest.mark.parametrize("method", ["execute", "executemany", "callproc"])
@pytest.mark.parametrize("hold", ["request", "transaction"])
def test_a_cursor_that_was_kept_over_the_close_of_its_connection_executes_nothing_any_more(
    make_alias: MakeAlias,
    monkeypatch: pytest.MonkeyPatch,
    hold: str,
    method: str,
    traced: str | None,
) -> None:
    kept: Any = make_alias(OPTIONS={"pool": {"max_size": 2, "timeout": 5, "hold": hold}})
    kept.force_debug_cursor = traced == "logged"
    if traced == "patched":  # as those do who trace queries
        own = CursorWrapper.execute

        def execute(self: Any, sql: Any, params: Any = None) -> Any:
            return own(self, sql, params)

        monkeypatch.setattr(CursorWrapper, "execute", execute)
    given: dict[str, Any] = {
        "execute": ("select 1",),
        "executemany": ("select %s", [(1,)]),
        "callproc": ("version",),
    }
    cursor = kept.cursor()
    cursor.execute("select 1")
    kept.close()
    with kept.pool.connection(), pytest.raises(InterfaceError, match="connection already closed"):
        getattr(cursor, method)(*given[method])
    with kept.pool.connection(), transaction.atomic():
        pid()
        with pytest.raises(InterfaceError, match="connection already closed"):
            getattr(cursor, method)(*given[method])


@pytest.mark.parametrize("hold", ["request", "transaction"])
def test_what_was_closed_by_hand_is_of_no_use_until_the_request_ends(
    make_alias: MakeAlias, hold: str
) -> None:
    tiny = make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 5, "hold": hold}})
    pid()
    tiny.connection.close()
    with pytest.raises(InterfaceError, match="connection already closed"):
        pid()
    assert not tiny.is_usable()
    close_old_connections()  # as at the end of a request
    assert pid()


def test_a_transaction_whose_connection_was_closed_by_hand_ends_no_other_s(tiny: Any) -> None:
    def leave() -> None:
        with transaction.atomic(), tiny.cursor() as cursor:
            cursor.execute("select 1")
            tiny.connection.close()
            lent.append(tiny.pool.getconn())
            lent[0].cursor().execute("begin")

    lent: list[Any] = []
    with pytest.raises(InterfaceError, match="connection already closed"):
        leave()
    assert tiny.pool.driver.status(lent[0]) == INTRANS
    lent[0].rollback()
    lent[0].close()
    tiny.close()
    assert pid()


def test_a_failed_commit_is_raised_and_the_connection_comes_back(tiny: Any) -> None:
    with tiny.cursor() as cursor:
        cursor.execute("create table late (a int, unique (a) deferrable initially deferred)")
    try:
        with pytest.raises(IntegrityError), transaction.atomic(), tiny.cursor() as cursor:
            cursor.execute("insert into late values (1), (1)")
        tiny.close()
        assert tiny.pool.stats().used == 0
    finally:
        with tiny.cursor() as cursor:
            cursor.execute("drop table late")


def test_a_forked_child_opens_a_connection_of_its_own_and_the_parent_goes_on(tiny: Any) -> None:
    before = pid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            tiny.close()
            os.write(writing, str(pid()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert int(answer) != before
    assert pid() == before
