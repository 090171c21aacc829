"""Connections that the server, a signal or nobody at all has ended."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from support import Thread

from multipool.testing.server import EmbeddedServer

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]

# Of a cycle the collector may end a socket before the connection that would have closed it.
socket_first = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*Socket:pytest.PytestUnraisableExceptionWarning"
)


def ask(alias: str, sql: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_idle_connections_that_were_terminated_cost_no_request_an_error(
    site: Get, make_alias: MakeAlias
) -> None:
    clients = [Thread(lambda: site("/slow/")) for _ in range(5)]
    pids = {client.outcome()[1]["pid"] for client in clients}
    make_alias("killer")
    for pid in pids:
        assert ask("killer", f"select pg_terminate_backend({pid}, 5000)") is True
    answers = [site("/slow/") for _ in range(10)]
    assert [status for status, _ in answers] == [200] * 10
    assert not {body["pid"] for _, body in answers} & pids


def test_a_restart_of_the_server_under_load_costs_no_more_than_the_requests_in_it(
    site: Get, server: EmbeddedServer
) -> None:
    stop = threading.Event()

    def browse() -> list[int]:
        seen = []
        while not stop.is_set():
            seen.append(site("/slow/")[0])
        return seen

    clients = [Thread(browse) for _ in range(8)]
    time.sleep(0.3)
    server.restart()
    time.sleep(0.3)
    stop.set()
    statuses = [status for client in clients for status in client.outcome(30)]
    assert statuses.count(200) > len(clients)
    # Each of the 5 connections ends under one request; one just opened may be hit as well.
    assert len(statuses) - statuses.count(200) <= 10
    assert [site("/slow/")[0] for _ in range(20)] == [200] * 20
    stats = connections["default"].pool.stats()  # type: ignore[attr-defined]
    assert (stats.used, stats.waiting) == (0, 0)
    assert stats.size <= 5


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_a_query_interrupted_half_way_leaves_nothing_to_the_next_request(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            ask("default", "select 'of the one before' from pg_sleep(0.5)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    connection.close()
    assert ask("default", "select 42") == 42
    assert ask("default", "select now() = statement_timestamp()") is True


def test_a_query_that_was_cancelled_is_an_operational_error_and_the_next_is_answered(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    connection.ensure_connection()
    lent = connection.connection

    def cancel() -> None:
        time.sleep(0.2)
        connection.pool.driver.cancel(lent)

    canceller = Thread(cancel)
    with pytest.raises(OperationalError), transaction.atomic():
        ask("default", "select 'of the one before' from pg_sleep(20)")
    canceller.outcome()
    connection.close()
    assert ask("default", "select 42") == 42


@socket_first
def test_an_alias_that_is_dropped_gives_its_connection_back_when_collected(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 5}})
    pool = connection.pool
    pid = ask("default", "select pg_backend_pid()")
    del connections["default"], connection
    gc.collect()
    assert ask("default", "select pg_backend_pid()") != pid
    assert (pool.stats().size, pool.stats().lost) == (1, 1)
