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


def test_a_lease_is_told_with_its_callers_once_something_was_executed(make_alias: Any) -> None:
    connection = make_alias("watched")

    def told() -> Any:
        (holder,) = connection.pool.held(longer_than=0)
        return holder.checked_out[:2]

    def ask() -> tuple[Any, Any]:
        with connection.cursor() as cursor:
            before = told()
            cursor.execute("select 1")
            return before, told()

    def caller() -> Any:
        return ask()  # the caller

    caller()  # before, it opens the connection, of which more is told
    connection.close()
    before, after = caller()
    made = line_of(ask, "connection.cursor()")
    assert before == (made,)
    assert after == (made, line_of(caller, "the caller"))
    connection.close()


def test_a_lease_for_a_cursor_on_the_server_is_told_with_its_callers(make_alias: Any) -> None:
    connection = make_alias("watched")

    def ask() -> Any:
        with connection.chunked_cursor() as cursor:
            cursor.execute("select 1")
            (holder,) = connection.pool.held(longer_than=0)
            return holder.checked_out[:2]

    def caller() -> Any:
        return ask()  # the caller

    for _ in range(2):
        told = caller()
        connection.close()
    assert told == (line_of(ask, "chunked_cursor"), line_of(caller, "the caller"))


def test_a_lease_made_in_a_function_that_has_returned_is_told_by_its_line_alone(
    make_alias: Any,
) -> None:
    connection = make_alias("watched")

    def make() -> Any:
        return connection.cursor()

    make()
    connection.close()
    make().execute("select 1")
    (holder,) = connection.pool.held(longer_than=0)
    assert holder.checked_out == (line_of(make, "connection.cursor()"),)
    assert holder.query[0].endswith(
        "in test_a_lease_made_in_a_function_that_has_returned_is_told_by_its_line_alone"
    )
    connection.close()


@pytest.fixture
def brief(make_alias: Any) -> Any:
    """The same, whose connections are held by the transaction."""
    return make_alias("brief", OPTIONS={"pool": {"hold": "transaction"}})


class Task:
    """Executes statements in a function that another calls."""

    def __init__(self, connection: Any, *statements: str) -> None:
        self.connection = connection
        self.statements = statements

    def __call__(self) -> None:
        try:
            self.ask()  # of the task
        finally:
            self.connection.close()

    def ask(self) -> None:
        with self.connection.cursor() as cursor:
            for statement in self.statements:
                cursor.execute(statement)

    def stack(self) -> list[str]:
        """Return the application's lines of a statement, the innermost first."""
        return [line_of(Task.ask, "cursor.execute"), line_of(Task.__call__, "of the task")]


@pytest.mark.parametrize("statements", [["select pg_sleep(1)"], ["select 1", "select pg_sleep(1)"]])
def test_while_a_statement_runs_the_whole_stack_of_its_lease_is_told(
    brief: Any, statements: list[str]
) -> None:
    brief.inc_thread_sharing()
    task = Task(brief, *statements)
    brief.ensure_connection()
    thread = Thread(task)
    pool = brief.pool

    def asleep() -> Any:
        return [one for one in pool.held(0) if one.statement == "select pg_sleep(?)"]

    until(asleep)
    (holder,) = asleep()
    thread.outcome()
    assert holder.state == "active"
    assert list(holder.checked_out[:2]) == task.stack()
    assert holder.checked_out == holder.query
    assert holder.cursor in (holder.query, ())  # none was made for the second, maybe
    assert pool.held(0) == []


def test_a_lease_that_outlives_its_statement_keeps_the_stack_that_it_had(brief: Any) -> None:
    pool = brief.pool

    def told() -> Any:
        (holder,) = pool.held(0)
        return holder

    task = Task(brief, "select 1", "begin")
    try:
        task.ask()
        holder = told()
        stack = [line_of(Task.ask, "cursor.execute")]
        outer = line_of(
            test_a_lease_that_outlives_its_statement_keeps_the_stack_that_it_had,
            "        task.ask()",
        )
        assert list(holder.checked_out[:2]) == [*stack, outer]
        assert holder.checked_out == holder.query
        with brief.cursor() as cursor:
            cursor.execute("rollback")
    finally:
        brief.close()


def test_each_statement_is_counted_at_the_line_that_asked_however_its_lease_was_noted(
    brief: Any,
) -> None:
    Task(brief, *["select 1"] * 40)()
    (query,) = [each for each in brief.pool.queries() if each.text == "select ?"]
    assert query.calls == 40
    number = line_of(Task.ask, "cursor.execute").partition(":")[2].partition(" ")[0]
    assert query.call_site is not None
    assert f"test_watching.py:{number}" in query.call_site
