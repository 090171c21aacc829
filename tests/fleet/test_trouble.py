"""Whatever is wrong with the fleet's store, the application does not notice."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
import time

import pytest
from fleet_store import beat, heart_of
from support import Thread, until

from multipool.fleet.installing import REMOVE
from multipool.testing.proxy import Proxy


def works(pool):
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("select 1")
        return cursor.fetchone()[0] == 1


@pytest.mark.parametrize(
    ("breakage", "words"),
    [
        (REMOVE, "the fleet is not installed here, or not for this role"),
        ("revoke execute on function multipool.beat(jsonb) from fleet_app", "or not for this role"),
        ("drop table multipool.process", "the fleet is not installed here"),
        ("alter role fleet_app set default_transaction_read_only = on", r"\(25006\)"),
    ],
)
def test_what_the_server_refuses_is_warned_of_once(make_pool, store, caplog, breakage, words):
    store.psql(breakage)
    pool = make_pool(store)
    try:
        with caplog.at_level(logging.WARNING, "multipool"):
            for _ in range(3):
                beat(pool)
                assert works(pool)
    finally:
        store.psql("alter role fleet_app reset all")
    [record] = caplog.records
    assert record.name == "multipool.fleet"
    assert re.search(words, record.getMessage())
    assert pool.stats().opened == 1  # the connection that carried it goes on


def test_it_is_warned_of_again_when_it_had_been_well_in_between(make_pool, store, caplog):
    pool = make_pool(store)
    for _ in range(2):
        store.psql("revoke execute on function multipool.beat(jsonb) from fleet_app")
        beat(pool)
        store.psql("grant execute on function multipool.beat(jsonb) to fleet_app")
        beat(pool)
    assert len(caplog.records) == 2


def test_a_locked_table_is_waited_for_no_longer_than_a_moment(make_pool, store, driver, caplog):
    pool = make_pool(store)
    beat(pool)
    before = store.process()["beat_at"]
    locker = driver.connect(store.params, 5)
    try:
        locker.cursor().execute("lock table multipool.process in access exclusive mode")
        beat(pool)
        assert works(pool)
    finally:
        driver.close(locker)
    assert store.process()["beat_at"] == before
    assert not caplog.records
    beat(pool)
    assert store.process()["beat_at"] > before


def test_a_beat_that_gets_no_answer_is_cut_and_its_connection_replaced(make_pool, store):
    with Proxy({**store.params, "user": "fleet_app"}) as proxy:
        pool = make_pool(
            store, params=proxy.params, fleet={"every": 1}, upkeep="thread", max_size=1
        )
        works(pool)
        until(lambda: store.processes(), timeout=15)
        heart = heart_of(pool)
        # The first beat may have gone by a connection of its own; it is not the one to cut.
        until(lambda: heart._epoch is not None and heart._calls.line is None)
        proxy.silence()
        until(lambda: heart._calls.line is not None and pool.stats().idle == 0, timeout=10)
        until(lambda: pool.stats().size == 0, timeout=10)
        proxy.resume()
        assert works(pool)


def test_one_who_waits_gets_the_borrowed_connection_as_soon_as_it_is_back(make_pool, store):
    with Proxy({**store.params, "user": "fleet_app"}, delay=0.2) as proxy:
        pool = make_pool(store, params=proxy.params, max_size=1)
        works(pool)
        beating = Thread(lambda: beat(pool))
        until(lambda: pool.stats().idle == 0)
        assert works(pool)
        beating.outcome()
    assert pool.stats().opened == 1


def test_a_pool_can_be_closed_while_it_beats(make_pool, store):
    with Proxy({**store.params, "user": "fleet_app"}) as proxy:
        pool = make_pool(store, params=proxy.params, fleet={"every": 1}, upkeep="thread")
        works(pool)
        until(lambda: store.processes(), timeout=15)
        proxy.silence()
        until(lambda: heart_of(pool)._calls.line is not None, timeout=10)
        began = time.monotonic()
        pool.close(timeout=1)
        assert time.monotonic() - began < 2
        proxy.resume()


def test_a_full_server_is_left_alone(make_pool, store, driver):
    server = store.server
    server.psql(f"alter database {store.name} connection limit 1")
    # Sessions that have said goodbye count until the server has ended them.
    clients = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
    until(lambda: server.psql(f"{clients} and datname = '{store.name}'") == "0")
    pool = make_pool(store, max_size=2)
    with pool.connection():
        beat(pool)
        assert pool.stats().size == 1
    assert store.processes() == []
    beat(pool)
    assert store.process()


def test_the_helper_that_beats_ends(make_pool, store):
    pool = make_pool(store, fleet={"every": 1}, upkeep="thread")
    works(pool)
    until(lambda: store.processes(), timeout=15)
    until(lambda: "multipool-helper" not in [one.name for one in threading.enumerate()])


def test_where_no_file_can_be_opened_a_beat_goes_all_the_same(make_pool, store, monkeypatch):
    pool = make_pool(store, max_size=1, timeout=5)
    beat(pool)

    def refuse(fd):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", refuse)
        before = store.process()["beat_at"]
        beat(pool)
    assert store.process()["beat_at"] > before
    assert works(pool)


def test_a_beat_that_is_interrupted_gives_back_what_it_has_borrowed(make_pool, store, monkeypatch):
    pool = make_pool(store, max_size=1, timeout=5)
    beat(pool)
    [conn] = pool._inner.places.idle  # which somebody may still have in hand

    def interrupt(fd):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "dup", interrupt)
        beat(pool)
    assert works(pool)
    assert pool._inner.places.idle[0] is conn
