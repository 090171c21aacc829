"""What requests hold with ``hold="transaction"`` while they wait for something else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, connections
from library import views
from library.models import Author
from support import Thread, until

from multipool.driver import ACTIVE

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]


@pytest.fixture(params=["transaction", "request"])
def hold(request: pytest.FixtureRequest) -> str:
    """Each of the two ways in turn."""
    way: str = request.param
    return way


@pytest.fixture
def gates() -> Iterator[None]:
    """Between views and tests, closed again when the site has ended."""
    yield
    views.holding.clear()
    views.let_go.clear()


@pytest.fixture
def waiting(gates: None, site: Get, hold: str) -> Iterator[Get]:
    """The site with *hold*, whose pages wait until the test lets go."""
    connections.settings["default"]["OPTIONS"]["pool"]["hold"] = hold
    yield site
    views.let_go.set()


def used() -> int:
    number: int = connections["default"].pool.stats().used  # type: ignore[attr-defined]
    return number


def test_a_view_that_waits_between_two_queries_holds_nothing_meanwhile(
    waiting: Get, hold: str
) -> None:
    request = Thread(lambda: waiting("/hold/twice/"))
    until(views.holding.is_set)
    assert used() == (0 if hold == "transaction" else 1)
    views.let_go.set()
    assert request.outcome(10) == (200, {"authors": [0, 0]})
    until(lambda: used() == 0)


def test_a_response_that_streams_after_its_query_holds_nothing_meanwhile(
    waiting: Get, hold: str
) -> None:
    request = Thread(lambda: waiting("/trickle/"))
    until(views.holding.is_set)
    assert used() == (0 if hold == "transaction" else 1)
    views.let_go.set()
    # What the helper makes of an answer that is no JSON is not of interest.
    with pytest.raises(ValueError, match="Extra data"):
        request.outcome(10)
    until(lambda: used() == 0)


@pytest.mark.parametrize("hold", ["transaction"])
def test_twenty_such_views_at_once_need_no_more_than_five_connections(
    waiting: Get, hold: str
) -> None:
    requests = [Thread(lambda: waiting("/hold/twice/")) for _ in range(20)]
    until(lambda: connections["default"].pool.stats().checkouts >= 20)  # type: ignore[attr-defined]
    until(lambda: used() == 0)
    views.let_go.set()
    assert {request.outcome(20)[0] for request in requests} == {200}


def test_the_asynchronous_orm_holds_nothing_between_its_calls(
    library: Any, make_alias: MakeAlias
) -> None:
    library.close()
    make_alias(OPTIONS={"pool": {"max_size": 2, "timeout": 5, "hold": "transaction"}})

    async def play() -> list[int]:
        await Author.objects.acreate(name="Ada")
        found = [used()]
        async for author in Author.objects.all():
            found.append(await Author.objects.filter(name=author.name).acount())
        return [*found, used()]

    assert asyncio.run(play()) == [0, 1, 0]


def test_a_wrapper_that_threads_share_gives_each_statement_its_own_turn(
    make_alias: MakeAlias,
) -> None:
    shared: Any = make_alias(OPTIONS={"pool": {"max_size": 4, "timeout": 5, "hold": "transaction"}})
    shared.inc_thread_sharing()

    def ask(number: int) -> list[int]:
        found = []
        for _ in range(50):
            with shared.cursor() as cursor:
                cursor.execute("select %s::int from generate_series(1, 3)", [number])
                found += [answer for (answer,) in cursor.fetchall()]
        return found

    threads = [Thread(lambda number=number: ask(number)) for number in range(4)]
    for number, thread in enumerate(threads):
        assert thread.outcome(20) == [number] * 150
    shared.dec_thread_sharing()
    assert shared.pool.stats().used == 0


@contextmanager
def the_work_of_a_child() -> Iterator[None]:
    """What a forked child does, and all of it: its status is 0 if nothing is raised."""
    status = 1
    try:
        yield
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_waits_for_no_thread_of_its_parents_that_shared_a_wrapper(
    make_alias: MakeAlias,
) -> None:
    shared: Any = make_alias(OPTIONS={"pool": {"max_size": 4, "timeout": 5, "hold": "transaction"}})
    shared.inc_thread_sharing()

    def ask(sql: str) -> Any:
        with shared.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()

    mine = ask("select pg_backend_pid()")
    conn = shared.pool.getconn()
    shared.pool.putconn(conn)
    thread = Thread(lambda: ask("select pg_sleep(0.5)"))
    until(lambda: shared.pool.driver.status(conn) == ACTIVE)
    child = os.fork()
    if not child:
        with the_work_of_a_child():
            signal.alarm(20)  # ends it, should it hang
            with pytest.raises(InterfaceError, match="before the process forked"):
                ask("select 1")  # on what the other thread had borrowed
            assert ask("select pg_backend_pid()") != mine
    assert os.waitpid(child, 0)[1] == 0
    thread.outcome()
    assert ask("select pg_backend_pid()") == mine
    shared.dec_thread_sharing()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_would_close_its_parents_socket_closes_none_of_its_own(
    make_alias: MakeAlias,
) -> None:
    """As Celery's children do with what Django has for a connection."""
    connection: Any = make_alias(OPTIONS={"pool": {"max_size": 4, "hold": "transaction"}})
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        mine = cursor.fetchone()
    child = os.fork()
    if not child:
        with the_work_of_a_child():
            with (
                pytest.raises(InterfaceError, match="since the process forked"),
                connection.wrap_database_errors,
            ):
                os.close(connection.connection.fileno())
            assert connection.pool.stats().opened == 0
            with connection.cursor() as cursor:
                cursor.execute("listen news")
                assert connection.connection.fileno() > 0  # to wait for news by
                cursor.execute("select pg_backend_pid()")
                assert cursor.fetchone() != mine
    assert os.waitpid(child, 0)[1] == 0
    assert connection.connection.fileno() > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_a_child_that_was_forked_within_a_turn_others_wait_for_the_rest_of_it(
    make_alias: MakeAlias,
) -> None:
    shared: Any = make_alias(OPTIONS={"pool": {"max_size": 4, "timeout": 5, "hold": "transaction"}})
    shared.inc_thread_sharing()
    shared.ensure_connection()
    done: list[Any] = []

    def ask() -> None:
        with shared.cursor() as cursor:
            cursor.execute("select 1")
            done.append(cursor.fetchone())

    turn = shared.connection._turn
    with turn, turn:
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            with the_work_of_a_child():
                thread = Thread(ask)
                time.sleep(0.2)  # in which it would be done, if it did not wait
                assert not done
                turn.release()
                turn.release()
                thread.outcome(10)
    ask()
    assert done == [(1,)]
    shared.dec_thread_sharing()
