"""Behind PgBouncer the pids are made up: connections are known by a mark in their name."""

from __future__ import annotations

import pgbouncer as pgbouncers
import pytest
from fleet_store import APP, beat


@pytest.fixture
def through(store):
    program = pgbouncers.program()
    if program is None:
        pytest.skip("install pgbouncer (apt-get install pgbouncer)")
    with pgbouncers.running(program, {**store.params, "user": APP}) as params:
        yield params


def test_a_pooler_is_seen_and_said_and_holders_are_joined_by_name(make_pool, store, through, look):
    pool = make_pool(store, params={**through, "application_name": "shop"}, max_size=2)
    beat(pool)
    with pool.connection() as conn:
        assert pool.driver.parameter_status(conn, "application_name").startswith("shop mp:")
        conn.cursor().execute("select 1")
        store.psql("select multipool.watch(60)")
        beat(pool)
        beat(pool)
        snapshot = look()
    assert snapshot.processes[0].pooler
    assert any("through a pooler" in note for note in snapshot.notes)
    [holder] = snapshot.holders
    [session] = [one for one in snapshot.backends if one.pid == holder.backend]
    assert session.state == "idle in transaction"
    assert session.process == snapshot.processes[0].id


def test_a_long_name_is_cut_to_leave_room_for_the_mark(make_pool, store, through):
    pool = make_pool(store, params={**through, "application_name": "x" * 63}, max_size=2)
    beat(pool)
    with pool.connection() as conn:
        name = pool.driver.parameter_status(conn, "application_name")
    assert len(name) == 63
    assert name[:-12] == "x" * 51


def test_without_a_pooler_nobodys_name_is_changed(make_pool, store):
    pool = make_pool(store, params={"application_name": "shop"})
    beat(pool)
    with pool.connection() as conn:
        assert pool.driver.parameter_status(conn, "application_name") == "shop"
