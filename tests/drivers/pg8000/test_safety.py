"""Whatever happens in the middle of an answer, nobody gets another query's rows."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from pathlib import Path

import pytest
from support import Thread, until

import multipool_pg8000
from multipool.driver import ACTIVE, UNKNOWN
from multipool.testing.proxy import Proxy
from multipool_pg8000 import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    closing,
    driver,
    errors,
    wire,
)


def test_an_interrupt_in_mid_query_closes_the_connection(connect):
    conn = connect()
    cursor = conn.cursor()

    def interrupt():
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        cursor.execute("select 'the slow one' from pg_sleep(5)")
    thread.outcome()
    assert conn.closed == 2
    assert conn.state == UNKNOWN
    with pytest.raises(InterfaceError, match="closed"):
        cursor.execute("select 1")


def test_an_exception_that_is_none_of_exceptions_closes_the_connection(auto):
    def leave(text):
        raise SystemExit

    auto.adapters.register_loader(25, leave)
    with pytest.raises(SystemExit):
        auto.cursor().execute("select 'a'::text")
    assert auto.closed == 2


def test_threads_on_one_connection_each_get_their_own_rows(auto):
    def ask(number):
        for turn in range(50):
            with auto.cursor() as cursor:
                cursor.execute("select %s, %s::text, repeat('x', 1000)", (number, str(turn)))
                found = cursor.fetchone()
                assert found[:2] == (number, str(turn))

    threads = [Thread(lambda number=number: ask(number)) for number in range(8)]
    for thread in threads:
        thread.outcome(30)


def test_a_statement_inside_another_of_the_same_thread_is_refused(auto):
    def nest(text):
        auto.cursor().execute("select 2")

    auto.adapters.register_loader(23, nest)
    cursor = auto.cursor()
    cursor.execute("select 1")
    with pytest.raises(ProgrammingError, match="in the middle of another statement"):
        cursor.fetchone()
    assert not auto.closed


def test_dropping_the_last_reference_ends_the_connection_at_once(dsn, auto):
    conn = multipool_pg8000.connect(dsn)
    conn.cursor().execute("select %s", ([1],))
    number, pid, seen = conn.fileno(), conn.get_backend_pid(), weakref.ref(conn)
    gc.disable()
    try:
        del conn
        assert seen() is None
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    finally:
        gc.enable()
    until(lambda: not _alive(auto, pid))


def test_a_connection_lost_in_a_cycle_ends_in_silence_when_it_is_collected(dsn, auto):
    """Unraisable warnings are errors in these tests."""
    conn = multipool_pg8000.connect(dsn)
    pid, conn.myself = conn.get_backend_pid(), conn
    del conn
    gc.collect()
    until(lambda: not _alive(auto, pid))


def test_a_failed_connect_leaves_no_socket_behind(dsn):
    before = _descriptors()
    with pytest.raises(OperationalError):
        multipool_pg8000.connect(dsn, dbname="no such database")
    assert _descriptors() <= before


def test_a_forked_child_that_lets_go_does_not_end_the_parents_session(auto):
    child = os.fork()
    if child == 0:
        driver.abandon(auto)
        auto.close()
        os._exit(0)
    os.waitpid(child, 0)
    with auto.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_closing_in_a_forked_child_says_no_word_to_the_parents_server(auto):
    child = os.fork()
    if child == 0:
        auto.close()
        os._exit(0)
    os.waitpid(child, 0)
    with auto.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_cancel_ends_the_query_of_another_thread_and_not_the_connection(auto):
    thread = Thread(lambda: auto.cursor().execute("select pg_sleep(30)"))
    time.sleep(0.2)
    auto.cancel()
    with pytest.raises(errors.QueryCanceled) as caught:
        thread.outcome()
    assert caught.value.sqlstate == "57014"
    with auto.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_two_threads_may_close_a_connection_at_once(connect, monkeypatch):
    conn = connect()

    def meanwhile():
        monkeypatch.undo()
        Thread(conn.close).outcome()
        return os.getpid()

    monkeypatch.setattr(closing, "getpid", meanwhile)
    conn.close()
    assert conn.closed == 1


def test_a_connection_that_is_closed_as_a_statement_begins_is_lost_to_it(auto, monkeypatch):
    number = auto.fileno()

    def meanwhile(message, statements):
        Thread(auto.close).outcome()
        return True

    monkeypatch.setattr(wire, "_may_follow", meanwhile)
    auto.autocommit = False
    with pytest.raises(OperationalError, match="connection lost: the connection was closed"):
        auto.cursor().execute("select 1")
    assert auto.state == UNKNOWN
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_connection_that_is_closed_amid_another_threads_statement_stays_closed(auto):
    """And its socket open until then, lest that thread read from another of the same number."""
    number = auto.fileno()
    thread = Thread(lambda: auto.cursor().execute("select pg_sleep(0.5)"))
    until(lambda: auto.state == ACTIVE)
    time.sleep(0.1)  # it waits for the answer
    auto.close()
    assert (auto.closed, auto.state) == (1, UNKNOWN)
    os.fstat(number)
    thread.outcome()
    assert (auto.closed, auto.state) == (1, UNKNOWN)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_no_more_is_read_of_a_long_answer_once_another_thread_has_closed_the_connection(auto):
    thread = Thread(
        lambda: auto.cursor().execute(
            "select repeat('x', 10000), pg_sleep(0.01) from generate_series(1, 1000)"
        )
    )
    until(lambda: auto.state == ACTIVE)
    time.sleep(0.1)
    auto.close()
    with pytest.raises(OperationalError, match="the connection was closed meanwhile"):
        thread.outcome()
    assert auto.state == UNKNOWN


def test_a_terminated_backend_gives_the_servers_own_error(connect, auto):
    conn = connect()
    pid = conn.get_backend_pid()
    auto.cursor().execute("select pg_terminate_backend(%s)", (pid,))
    until(lambda: not _alive(auto, pid))
    with pytest.raises(OperationalError) as caught:
        conn.cursor().execute("select 1")
    assert caught.value.sqlstate == "57P01"
    assert conn.closed == 2
    conn.close()


def test_a_connection_cut_in_mid_query_is_an_operational_error(connect, server):
    with Proxy(server.params) as proxy:
        conn = connect(host=proxy.params["host"], port=proxy.params["port"], dbname="postgres")
        thread = Thread(lambda: conn.cursor().execute("select pg_sleep(30)"))
        time.sleep(0.2)
        proxy.cut("reset")
        with pytest.raises(OperationalError, match="connection lost"):
            thread.outcome()
        assert conn.closed == 2


def test_a_large_result_and_a_large_value_arrive_whole(auto):
    cursor = auto.cursor()
    text = "ä'\\" * 700_000
    cursor.execute("select %s::text, i from generate_series(1, 3) i", (text,))
    assert cursor.fetchall() == [(text, 1), (text, 2), (text, 3)]
    cursor.execute("select i, repeat('x', i %% 100) from generate_series(1, 50000) i", ())
    rows = cursor.fetchall()
    assert [len(value) for _, value in rows] == [i % 100 for i in range(1, 50001)]


def test_notifications_are_kept_whenever_they_arrive(auto, connect):
    other = connect(autocommit=True)
    auto.cursor().execute("listen news")
    other.cursor().execute("notify news, 'caf\u00e9'")
    until(lambda: auto.poll() == 0 and auto.notifies)
    assert [tuple(notify) for notify in auto.notifies] == [
        (other.get_backend_pid(), "news", "caf\u00e9")
    ]


def test_notices_are_kept_and_bounded(auto):
    cursor = auto.cursor()
    cursor.execute("do $$ begin for i in 1..60 loop raise notice 'number %', i; end loop; end $$")
    assert len(auto.notices) == 50
    assert auto.notices[-1] == "NOTICE:  number 60\n"


def _descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def _alive(conn, pid):
    with conn.cursor() as cursor:
        cursor.execute("select 1 from pg_stat_activity where pid = %s", (pid,))
        return cursor.fetchone()


def test_the_lock_is_free_again_after_every_kind_of_end(auto):
    with pytest.raises(ProgrammingError):
        auto.cursor().execute("select nothing")
    result = Thread(lambda: auto.cursor().execute("select 1"))
    result.outcome()
