"""From rows and sessions to a snapshot."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fleet_store import OPS, beat
from support import Thread, until

from multipool import Pool
from multipool.fleet import read
from multipool.fleet.blocking import trees
from multipool.fleet.ending import _SQL, end_backend
from multipool.fleet.errors import FleetError
from multipool.fleet.installing import script
from multipool.fleet.sessions import Sessions, mark_in
from multipool.fleet.snapshot import Backend

SESSION = {
    "pid": 7,
    "started": "2026-01-01T00:00:00+00:00",
    "application": "",
    "age": 100.0,
}
DIRECT = {"id": "a", "pooler": False, "age": 5.0}
POOLED = {**DIRECT, "pooler": True}


def test_reading_where_it_is_not_installed_says_what_to_do(driver, bare):
    with (
        Pool({**bare.params, "user": OPS}, driver=driver, name="ops") as pool,
        pytest.raises(FleetError, match=r"pool 'ops': .* run `multipool fleet install`"),
    ):
        read(pool)


def test_an_empty_fleet_can_be_read(look, store):
    snapshot = look()
    assert (snapshot.processes, snapshot.pools, snapshot.blocking) == ((), (), ())
    assert snapshot.database == store.name
    assert snapshot.budget.used >= 1
    assert json.loads(json.dumps(snapshot.as_dict()))["budget"]["max_connections"] == 100


def test_who_reads_while_a_sweep_notes_that_it_is_done_is_not_refused(driver, store, ops):
    sweeping = driver.connect(store.params, 5)
    try:
        sweeping.cursor().execute("update multipool.control set swept_at = now()")
        for _ in range(2):
            assert read(ops).processes == ()
    finally:
        driver.close(sweeping)
    read(ops)
    assert store.psql("select watch_until > now() from multipool.control") == "t"
    assert ops.stats().opened == 1


@pytest.fixture
def dumb(store, monkeypatch):
    """The store as one that takes an hour to answer; it is asked for a moment only."""
    monkeypatch.setattr("multipool.fleet.asking.PATIENCE", 0.1)
    store.psql(
        "create or replace function multipool.snapshot(raw_sql boolean) returns jsonb"
        " language sql as $$select '{}'::jsonb from pg_sleep(3600)$$"
    )
    return store


def test_a_server_that_does_not_answer_is_not_asked_for_ever(dumb, ops, look, monkeypatch):
    with pytest.raises(FleetError, match=r"pool 'ops': the server has not answered for 0\.1 s"):
        look()
    monkeypatch.undo()
    dumb.psql(script([], [OPS]))
    assert look().processes == ()  # by another connection
    assert ops.stats().opened == 2


def test_ending_a_session_is_not_waited_for_for_ever(admin, driver, store, caplog, monkeypatch):
    monkeypatch.setattr("multipool.fleet.asking.PATIENCE", 0.1)
    monkeypatch.setitem(_SQL, "cancel", "select %s || %s from pg_sleep(3600)")
    with pytest.raises(FleetError, match="has not answered"):
        end_backend(admin, "cancel", pid=1, started="2001-01-01T00:00:00+00:00", by="ann")
    assert "by 'ann': no answer" in caplog.text


def test_who_is_no_member_of_pg_read_all_stats_is_told_so(look, store):
    store.psql(f"revoke pg_read_all_stats from {OPS}")
    try:
        assert any("pg_read_all_stats" in note for note in look().notes)
    finally:
        store.psql(f"grant pg_read_all_stats to {OPS}")


def test_a_servers_own_query_texts_are_shown_only_when_asked_for(ops, store, driver):
    other = driver.connect(store.params, 5)
    try:
        other.cursor().execute("select 'a secret'")
        assert "a secret" not in json.dumps(read(ops, watch=0).as_dict())
        assert "a secret" in json.dumps(read(ops, raw_sql=True, watch=0).as_dict())
    finally:
        driver.close(other)


def test_who_blocks_whom_is_a_tree_down_to_the_line_of_code(make_pool, store, look):
    store.psql("create table stock (id int primary key); insert into stock values (1), (2)")
    store.psql("grant all on stock to fleet_app")
    pool = make_pool(store, max_size=3)
    beat(pool)
    store.psql("select multipool.watch(60)")
    first = pool.getconn()
    first.cursor().execute("select * from stock where id = 1 for update")

    def wait_for(number):
        with pool.connection() as conn:
            conn.cursor().execute(f"select * from stock where id = {number} for update")

    second = Thread(lambda: wait_for(1))
    blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    until(lambda: store.psql(blocked) == "1")
    beat(pool)
    beat(pool)
    snapshot = look()
    [root] = snapshot.blocking
    assert [tree.blocks for tree in root.blocks] == [()]
    holders = {holder.backend: holder for holder in snapshot.holders}
    assert "test_who_blocks_whom" in holders[root.pid].checked_out_at[0]
    assert "wait_for" in holders[root.blocks[0].pid].checked_out_at[0]
    pool.putconn(first)
    second.outcome()


def backend(pid, *blocked_by, waited=1.0):
    return Backend(
        pid=pid,
        started="",
        application="",
        user="",
        database="",
        client=None,
        state="active",
        state_age=waited,
        transaction_age=9.0,
        query_age=waited,
        wait_event=None,
        blocked_by=blocked_by,
        raw_sql=None,
        process=None,
        pool=None,
    )


def shape(tree):
    return {tree.pid: [shape(one) for one in tree.blocks]}


def test_one_that_waits_for_several_stands_beneath_each():
    found = trees([backend(1), backend(2), backend(3, 1, 2), backend(4, 3)])
    assert [shape(tree) for tree in found] == [{1: [{3: [{4: []}]}]}, {2: [{3: [{4: []}]}]}]
    assert [tree.seconds for tree in found] == [9.0, 9.0]


def test_each_of_those_who_stand_in_line_for_one_lock_stands_once_in_its_tree():
    line = range(2, 14)
    table = [backend(1), *(backend(pid, *range(1, pid)) for pid in line)]
    assert [shape(tree) for tree in trees(table)] == [{1: [{pid: []} for pid in line]}]
    # For a row the first waits for its holder, and the others for the first.
    row = [backend(1), *(backend(pid, *range(min(pid - 1, 2), pid)) for pid in line)]
    assert [shape(tree) for tree in trees(row)] == [{1: [{2: [{pid: []} for pid in line[1:]]}]}]


def test_a_circle_has_a_root_and_an_end():
    assert [shape(tree) for tree in trees([backend(5, 6), backend(6, 5)])] == [{5: [{6: []}]}]


def test_whoever_keeps_most_waiting_comes_first():
    found = trees([backend(1), backend(2, 1), backend(3), backend(4, 3), backend(5, 3)])
    assert [tree.pid for tree in found] == [3, 1]


def test_a_blocker_that_is_no_clients_session_is_a_root_all_the_same():
    assert [shape(tree) for tree in trees([backend(2, 0)])] == [{0: [{2: []}]}]


@pytest.mark.parametrize(
    ("process", "told", "found"),
    [
        (DIRECT, {"backend": 7, "open_for": 95.0}, 7),
        (DIRECT, {"backend": 7, "open_for": 90.0}, 7),  # connecting took a while
        (DIRECT, {"backend": 7, "open_for": 500.0}, None),  # the pid is another's by now
        (DIRECT, {"backend": 7, "open_for": 1.0}, None),
        (DIRECT, {"backend": 8, "open_for": 95.0}, None),
        (POOLED, {"backend": 7, "open_for": 95.0}, None),  # made up by the pooler
    ],
)
def test_a_session_is_known_by_its_pid_and_its_beginning(process, told, found):
    sessions = Sessions([SESSION])
    assert sessions.serving(process, "default", told) == found
    assert sessions.owners == ({7: ("a", "default")} if found else {})


def test_behind_a_pooler_a_session_is_known_by_the_mark_in_its_application_name():
    sessions = Sessions([{**SESSION, "application": "shop mp:0123abcd"}])
    assert sessions.serving(POOLED, "default", {"backend": 1, "tag": "shop mp:0123abcd"}) == 7
    assert sessions.serving(POOLED, "default", {"backend": 7, "tag": "shop mp:ffffffff"}) is None


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("shop mp:0123abcd", "mp:0123abcd"),
        ("mp:0123abcd", "mp:0123abcd"),
        ("shop", None),
        ("mp:0123", None),
        ("amp:0123abcd", None),
        ("mp:0123abcd shop", None),
        (None, None),
    ],
)
def test_a_mark_stands_at_the_end_of_a_name(name, mark):
    assert mark_in(name) == mark


@pytest.fixture
def admin(driver, store):
    """A pool of the superuser's."""
    with Pool(store.params, driver=driver, max_size=1, name="admin") as pool:
        yield pool


@pytest.mark.parametrize("action", ["cancel", "terminate"])
def test_a_session_can_be_told_to_end_and_that_is_on_record(admin, driver, store, caplog, action):
    other = driver.connect(store.params, 5)
    sleeper = Thread(lambda: other.cursor().execute("select pg_sleep(30)"))
    pid = driver.backend_pid(other)
    active = f"select state from pg_stat_activity where pid = {pid}"
    until(lambda: store.psql(active) == "active")
    [seen] = [one for one in read(admin, watch=0).backends if one.pid == pid]
    assert end_backend(admin, action, pid=pid, started=seen.started, by="ann")
    with pytest.raises(driver.Error):
        sleeper.outcome()
    driver.close(other)
    [record] = caplog.records
    assert record.name == "multipool.fleet.audit"
    assert record.getMessage() == (
        f"{action} of backend {pid} (begun {seen.started!r}) by 'ann': done"
    )


def test_each_attempt_to_end_a_session_is_one_line_on_record_whatever_is_in_it(
    admin, driver, caplog
):
    with pytest.raises(driver.Error):
        end_backend(admin, "cancel", pid=1, started="x): done\nterminate (begun y", by="ann\n")
    [record] = caplog.records
    assert "\n" not in record.getMessage()


def test_a_session_that_began_at_another_time_is_left_alone(admin, driver, store, caplog):
    other = driver.connect(store.params, 5)
    try:
        pid = driver.backend_pid(other)
        [seen] = [one for one in read(admin, watch=0).backends if one.pid == pid]
        later = replace(seen, started="2001-01-01T00:00:00+00:00")
        assert not end_backend(admin, "terminate", pid=pid, started=later.started, by="ann")
        cursor = other.cursor()
        cursor.execute("select 1")
        assert cursor.fetchone()[0] == 1
    finally:
        driver.close(other)
    assert "no such session" in caplog.text


def test_who_may_not_end_sessions_is_refused_and_that_is_on_record(ops, driver, store, caplog):
    other = driver.connect(store.params, 5)
    try:
        pid = driver.backend_pid(other)
        [seen] = [one for one in read(ops, watch=0).backends if one.pid == pid]
        with pytest.raises(driver.Error, match=r"(?i)permission denied"):
            end_backend(ops, "terminate", pid=pid, started=seen.started, by="ann")
    finally:
        driver.close(other)
    assert "by 'ann': refused" in caplog.text
