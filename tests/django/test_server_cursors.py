"""Cursors on the server, as of ``QuerySet.iterator()``, in the reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from library.models import Author
from support import line_of

NAMES = [f"Author {number:02}" for number in range(25)]


@pytest.fixture(params=["request", "transaction"])
def by(request: pytest.FixtureRequest, library: Any) -> Iterator[Any]:
    """A connection to 25 authors, held in each of the two ways in turn; nothing counted yet."""
    Author.objects.bulk_create([Author(name=name) for name in NAMES])
    library.close()
    library.close_pool()
    del connections["default"]
    connections.settings["default"].setdefault("OPTIONS", {})["pool"] = {"hold": request.param}
    return connections["default"]


@pytest.fixture(params=["each its own", "atomic"])
def around(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """What makes what is around the cursor: nothing, so that it is WITH HOLD, or atomic()."""
    return transaction.atomic if request.param == "atomic" else ExitStack


def counted(connection: Any, word: str) -> Any:
    (query,) = [each for each in connection.pool.queries() if word in each.text]
    return query


def test_an_iterator_is_counted_once_at_its_line_with_all_its_rows(
    by: Any, around: Callable[[], Any]
) -> None:
    def ask() -> list[str]:
        return [author.name for author in Author.objects.iterator(chunk_size=10)]

    for _ in range(2):
        with around():
            assert ask() == NAMES
        by.close()
    query = counted(by, "library_author")
    assert query.text.startswith("SELECT")
    assert (query.calls, query.rows, query.errors) == (2, 50, 0)
    assert f":{line_of(ask, 'iterator').split(':')[1].split()[0]}" in query.call_site


def test_what_the_fetches_take_is_the_statements(by: Any, around: Callable[[], Any]) -> None:
    # In a transaction the server works when rows are asked for, else when the cursor is declared.
    slow = "select name, pg_sleep(0.01) from library_author"
    with around(), by.chunked_cursor() as cursor:
        cursor.execute(slow)
        while cursor.fetchmany(10):
            pass
    query = counted(by, "pg_sleep")
    assert (query.calls, query.rows) == (1, 25)
    assert query.seconds >= 0.25
    assert query.p50 == pytest.approx(query.seconds, rel=0.1)


def test_an_error_in_a_fetch_is_the_statements_once(by: Any) -> None:
    def ask() -> None:
        with transaction.atomic(), by.chunked_cursor() as cursor:
            cursor.execute("select 1 / (id - id) from library_author")
            for _ in range(2):
                with suppress(DatabaseError):
                    cursor.fetchmany(10)
            transaction.set_rollback(True)

    ask()
    query = counted(by, "library_author")
    assert (query.calls, query.errors) == (1, 1)


def test_while_rows_are_fetched_the_connection_is_used(by: Any, around: Callable[[], Any]) -> None:
    slow = Author.objects.extra(select={"slept": "pg_sleep(0.01)"})

    def task() -> None:
        with around():
            assert len([author.name for author in slow.iterator(chunk_size=10)]) == 25
        time.sleep(0.3)
        connections.close_all()

    thread = threading.Thread(target=task)
    thread.start()
    thread.join(30)
    (usage,) = by.pool.usage()
    assert usage.used >= 0.25
    # What comes after the last row is nobody's use.
    assert usage.used < usage.lasted - 0.29


def test_a_cursor_that_is_fetched_from_is_not_idle(by: Any) -> None:
    found: list[Any] = []

    def look() -> None:
        time.sleep(0.2)
        found.extend(by.pool.idle_in_transaction(longer_than=0.05))

    with transaction.atomic(), by.chunked_cursor() as cursor:
        cursor.execute("select pg_sleep(0.6)")
        looking = threading.Thread(target=look)
        looking.start()
        cursor.fetchmany(10)
        looking.join()
        assert found == []


def test_what_is_told_of_a_holder_names_its_lines(by: Any) -> None:
    def ask() -> Any:
        with by.chunked_cursor() as cursor:  # made
            cursor.execute("select 1")  # executed
            return by.pool.held(longer_than=-1)[0]

    by.ensure_connection()
    holder = ask()
    by.close()
    assert holder.query[0] == line_of(ask, "# executed")
    # With hold="transaction" the driver's cursor is made when it is executed.
    assert holder.cursor[0] in (line_of(ask, "# made"), line_of(ask, "# executed"))
