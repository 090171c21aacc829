"""What a beat says, how it gets there, and what comes back."""

from __future__ import annotations

import json
import threading
from time import monotonic

import pytest
from fleet_store import beat, heart_of
from support import until

from multipool.fleet import read
from multipool.fleet.wire import as_json


def test_a_row_tells_who_the_process_is_and_what_its_pools_have(make_pool, store, look):
    pool = make_pool(store, name="default", max_size=7)
    with pool.connection():
        pass
    beat(pool)
    row = store.process()
    assert (row["app"], row["role"], row["every_s"]) == ("shop", "fleet_app", 600)
    [process], [state] = look().processes, look().pools
    assert (process.state, process.pooler, process.detailed) == ("alive", False, False)
    assert (state.name, state.driver, state.max_size) == ("default", pool.driver.name, 7)
    assert (state.size, state.idle, state.used, state.connecting) == (1, 1, 0, 0)
    assert state.counters["checkouts"] == pool.stats().checkouts == 1


def test_a_beat_is_no_checkout_and_calls_no_hook(make_pool, store):
    called = []
    pool = make_pool(
        store, on_checkout=called.append, on_return=called.append, reset=called.append, max_size=1
    )
    with pool.connection():
        pass
    before, calls = pool.stats(), len(called)
    beat(pool)
    assert store.process()
    assert (pool.stats(), len(called)) == (before, calls)


def test_it_leaves_a_borrowed_connection_as_it_was_and_the_next_to_be_lent_alone(make_pool, store):
    pool = make_pool(store, max_size=2)
    first, second = pool.getconn(), pool.getconn()
    for conn in (first, second):
        conn.cursor().execute("select 1")
        pool.putconn(conn)
    order = list(pool._inner.places.idle)
    status = [(conn.autocommit, conn._multipool_slot.touched) for conn in order]
    beat(pool)
    assert store.process()
    assert list(pool._inner.places.idle) == order
    assert [(conn.autocommit, conn._multipool_slot.touched) for conn in order] == status
    assert pool.stats().opened == 2


def test_details_are_told_when_the_pool_is_exhausted(make_pool, store, look):
    pool = make_pool(store, max_size=1)
    beat(pool)
    assert not look().processes[0].detailed
    with pool.connection():  # leaks_here
        beat(pool)
    [holder] = look().holders
    assert "test_beating.py" in holder.checked_out_at[0]
    assert any("test_details_are_told" in line for line in holder.doing)


def test_details_are_told_when_somebody_reads(make_pool, store, ops, look):
    pool = make_pool(store, max_size=3)
    beat(pool)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        read(ops)  # from now on they are wanted
        beat(pool)  # which hears of that
        assert heart_of(pool)._every() == 2
        beat(pool)
        snapshot = look()
    [holder] = snapshot.holders
    [backend] = [one for one in snapshot.backends if one.pid == holder.backend]
    assert (backend.state, backend.process, backend.pool) == (
        "idle in transaction",
        holder.process,
        pool.name,
    )
    assert {"shop", "(user fleet_ops)"} <= {
        one.application for one in snapshot.budget.by_application
    }


def test_idle_connections_count_for_their_application(make_pool, store, ops, look):
    pool = make_pool(store, max_size=3)
    beat(pool)
    assert "shop" not in {one.application for one in look().budget.by_application}
    read(ops)
    beat(pool)
    beat(pool)
    snapshot = look()
    assert snapshot.holders == ()
    [share] = [one for one in snapshot.budget.by_application if one.application == "shop"]
    assert share.connections == pool.stats().size == 1


def test_who_reads_no_more_gets_no_more_details(make_pool, store, look):
    pool = make_pool(store)
    store.psql("select multipool.watch(60)")
    beat(pool)
    beat(pool)
    assert look().processes[0].detailed
    store.psql("update multipool.control set watch_until = now()")
    beat(pool)
    beat(pool)
    assert not look().processes[0].detailed


def test_nobody_is_silent_for_longer_than_the_last_beat_said(make_pool, store):
    pool = make_pool(store)
    store.psql("select multipool.watch(60)")
    beat(pool)
    store.psql("update multipool.control set watch_until = now()")
    beat(pool)  # which hears that nobody reads any more, when it has told of two seconds
    assert store.process()["every_s"] == 2
    assert heart_of(pool)._calls.due <= monotonic() + 2
    beat(pool)
    assert store.process()["every_s"] == 600
    assert heart_of(pool)._calls.due > monotonic() + 500


def test_a_pool_in_use_that_has_none_idle_opens_one(make_pool, store):
    pool = make_pool(store, max_size=2)
    with pool.connection():
        beat(pool)
        assert store.process()
        assert (pool.stats().size, pool.stats().idle) == (2, 1)


def test_an_exhausted_pool_is_told_of_over_a_line_of_our_own_now_and_then(make_pool, store):
    pool = make_pool(store, max_size=1)
    sessions = "select sessions from pg_stat_database where datname = current_database()"
    with pool.connection():
        beat(pool)
        row = store.process()
        assert row["every_s"] == 30
        store.psql("select pg_stat_force_next_flush()")
        before = int(store.psql(sessions))
        for _ in range(3):
            beat(pool)
        assert store.process()["beat_at"] == row["beat_at"]
        # Each look is a session too.
        assert int(store.psql(sessions)) - before <= 3
    assert pool.stats().opened == 1


def test_a_pool_that_nobody_has_used_yet_says_nothing(make_pool, store):
    make_pool(store)
    assert store.processes() == []


def test_above_fifty_writes_a_second_all_beat_less_often(make_pool, store):
    pool = make_pool(store, fleet={"every": 10})
    store.psql("update multipool.control set processes = 2000, swept_at = now()")
    beat(pool)
    assert heart_of(pool)._every() == 40


def test_two_pools_of_a_process_share_a_row_whatever_they_are_called(make_pool, store, look):
    first, second = make_pool(store, name="same"), make_pool(store, name="same")
    beat(first)
    beat(second)
    assert len(store.processes()) == 1
    assert sorted(pool.name for pool in look().pools) == ["same", "same#2"]


def test_a_process_that_closes_its_pools_is_gone_at_once_and_its_totals_stay(
    make_pool, store, look
):
    pool = make_pool(store)
    beat(pool)
    with pool.connection():
        pass
    pool.close()
    snapshot = look()
    assert snapshot.processes == ()
    [app] = snapshot.applications
    assert app.counters["checkouts"] == pool.stats().checkouts == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\udc80", "\ufffd"),  # a byte of a file's name that is no text
        ("😀\ud83d\ud83d😀\udc80", "😀\ufffd\ufffd😀\ufffd"),
        ("naïve 😀", "naïve 😀"),
    ],
)
def test_what_postgresql_cannot_store_is_replaced(store, text, kept):
    sent = as_json({"name": text})
    assert json.loads(sent) == {"name": kept}
    quoted = sent.replace("'", "''")
    assert store.psql(f"select '{quoted}'::jsonb->>'name'") == kept


def test_a_pool_that_takes_anothers_place_takes_its_name_too(make_pool, store, look):
    other, pool = make_pool(store, name="b"), make_pool(store, name="a")
    beat(other)
    beat(pool)
    pool.close()
    follower = make_pool(store, name="a")
    beat(follower)
    assert sorted(one.name for one in look().pools) == ["a", "b"]
    [app] = look().applications
    assert app.counters["checkouts"] == 3


def test_what_a_closed_pool_had_counted_is_not_forgotten(make_pool, store, look):
    pool, other = make_pool(store, name="a"), make_pool(store, name="b")
    beat(pool)
    beat(other)
    pool.close()
    beat(other)
    [app] = look().applications
    assert [one.name for one in look().pools] == ["b"]
    assert app.counters["checkouts"] == pool.stats().checkouts + other.stats().checkouts


def test_a_process_that_was_retired_goes_on_under_another_id(make_pool, store, look):
    pool = make_pool(store)
    beat(pool)
    before = store.process()["id"]
    store.pass_time(100_000)
    store.psql("select multipool.sweep()")
    assert store.processes() == []
    with pool.connection():
        pass
    beat(pool)
    assert store.process()["id"] != before
    [app] = look().applications
    assert app.counters["checkouts"] == pool.stats().checkouts
    assert app.counters["opened"] == pool.stats().opened


def test_a_crash_of_the_server_empties_the_table_and_costs_no_totals(make_pool, store, look):
    pool, gone = make_pool(store, name="a"), make_pool(store, name="b", fleet={"app": "gone"})
    beat(gone)
    gone.close()
    beat(pool)
    store.server.stop("immediate")
    store.server.start()
    assert store.processes() == []
    beat(pool)
    assert store.process()["app"] == "shop"
    counters = {app.name: app.counters["checkouts"] for app in look().applications}
    assert counters == {"shop": pool.stats().checkouts, "gone": 1}


@pytest.mark.parametrize(
    "setup",
    ["thread", "inline"],
)
def test_upkeep_makes_it_beat_by_itself(make_pool, store, setup):
    pool = make_pool(store, fleet={"every": 1}, upkeep=setup)
    with pool.connection():
        pass

    def has_beaten_twice():
        with pool.connection():
            pass
        row = store.processes()
        return row and row[0]["beat_at"] > row[0]["started_at"]

    until(has_beaten_twice, timeout=15)


def test_a_thread_may_have_any_name(make_pool, store, look):
    pool = make_pool(store, max_size=1)
    beat(pool)
    held = []
    thread = threading.Thread(
        target=lambda: held.append(pool.getconn()), name="a\0b<script>\x1b\udc80😀\ud800"
    )
    thread.start()
    thread.join()
    heart_of(pool)._next_own = 0.0
    beat(pool)
    [holder] = look().holders
    assert "<script>" in holder.thread
    assert "\0" not in holder.thread
    conn = held.pop()
    conn._multipool_slot.end(conn, conn._multipool_slot.serial)
