"""A view that leaves a transaction open is named, whatever Django puts in between."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from logged_leases import logged
from support import Thread, line_of, until

__all__ = ["logged"]

IDLE = "idle in transaction"


@pytest.fixture
def alias(make_alias: Any) -> str:
    """An alias of each ENGINE in turn, whose pool loses patience soon."""
    make_alias("watched", OPTIONS={"pool": {"idle_in_transaction_after": 0.3}})
    return "watched"


class View:
    """Executes in a transaction, then waits until it is told to go on."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.go_on = threading.Event()

    def __call__(self) -> None:
        with transaction.atomic(using=self.alias), connections[self.alias].cursor() as cursor:
            cursor.execute("select %s", ["hunter2"])
            self.go_on.wait(10)
        connections[self.alias].close()


def named(record: Any) -> None:
    """Assert that *record* names the view's lines."""
    asked = line_of(View.__call__, "transaction.atomic")
    assert record.checked_out[0] == record.cursor[0] == asked
    assert record.query[0] == line_of(View.__call__, "select %s")
    assert line_of(View.__call__, "go_on.wait") in record.doing
    assert "hunter2" not in str(record.__dict__)


def test_a_view_in_a_thread_is_named(alias: str, logged: Any) -> None:
    view = View(alias)
    thread = Thread(view)
    until(lambda: logged(IDLE))
    view.go_on.set()
    thread.outcome()
    named(logged(IDLE)[0])
    until(lambda: logged(IDLE, ended=True))


def test_a_view_that_asynchronous_code_calls_is_named(alias: str, logged: Any) -> None:
    view = View(alias)

    async def main() -> None:
        task = asyncio.create_task(sync_to_async(view, thread_sensitive=False)())
        while not logged(IDLE):
            await asyncio.sleep(0.02)
        view.go_on.set()
        await task

    asyncio.run(asyncio.wait_for(main(), 10))
    named(logged(IDLE)[0])


def test_django_keeps_whole_stacks_unless_told_otherwise(make_alias: Any) -> None:
    assert make_alias().pool.config.trace == "full"
    assert make_alias("small", OPTIONS={"pool": {"max_size": 2}}).pool.config.trace == "full"
    assert make_alias("unseen", OPTIONS={"pool": {"trace": False}}).pool.config.trace is False


def test_autocommit_is_never_idle_in_a_transaction(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("select 1")
        pool = connections[alias].pool  # type: ignore[attr-defined]
        assert pool.idle_in_transaction(0) == []
        assert pool.held(0)[0].state == "idle"


def test_the_cursor_that_had_the_connection_checked_out_is_named_and_so_is_the_next(
    make_alias: Any,
) -> None:
    connection = make_alias("watched")

    def ask() -> None:
        with connection.cursor() as first:
            first.execute("select 1")
            (holder,) = connection.pool.held(longer_than=0)
            made = line_of(ask, "as first")
            assert holder.checked_out[0] == holder.cursor[0] == made
            assert holder.query[0] == line_of(ask, "first.execute")
        connection.cursor()
        (holder,) = connection.pool.held(longer_than=0)
        assert holder.checked_out[0] == made
        assert holder.cursor[0] == line_of(ask, "        connection.cursor()")

    ask()
    connection.close()
