"""Who may do what once the fleet is installed."""

from __future__ import annotations

import pytest
from fleet_store import APP, OPS, beat, heart_of, install_as

from multipool.fleet import read
from multipool.fleet.errors import FleetError
from multipool.fleet.installing import REMOVE, script, status
from multipool.fleet.rows import budgets_of


@pytest.fixture
def status_of(driver, store):
    """Return what `multipool fleet status` knows of a role."""

    def of(role):
        conn = driver.connect({**store.params, "user": role}, 5)
        try:
            return status(driver, conn)
        finally:
            driver.close(conn)

    return of


def as_role(store, role, sql):
    return store.psql(f"set role {role}; {sql}")


def test_it_can_be_installed_by_any_driver_and_over_itself(driver, bare):
    install_as(driver, bare.params, [APP], [OPS])
    bare.psql("insert into multipool.retired values ('shop', 'default', '{\"checkouts\": 5}')")
    install_as(driver, bare.params, [APP], [OPS])
    assert bare.psql("select count(*) from multipool.retired") == "1"


def test_what_an_older_version_has_installed_is_brought_up_to_date_for_all_whom_it_was_for(
    driver, store, make_pool, ops, status_of
):
    # It knew no budget, did not pack details, and kept the totals of the gone for ever.
    store.psql(
        "drop table multipool.budget, multipool.stake; drop function multipool.claim(jsonb);"
        "alter table multipool.process alter column detail type jsonb using null;"
        "alter table multipool.retired drop column added_at"
    )
    assert status_of(APP)["shares"] is False
    install_as(driver, store.params)
    assert status_of(APP)["shares"] is True
    pool = make_pool(store, budget=12, upkeep="thread")
    with pool.connection():
        assert not pool._inner.stake.grant.alone
    beat(make_pool(store))
    snapshot = read(ops, watch=0)
    assert [budget.budget for budget in snapshot.budgets] == [12]
    assert len(snapshot.processes) == 1
    store.pass_time(10_000)
    store.psql("select multipool.sweep()")
    assert store.psql("select count(*) from multipool.retired where added_at <= now()") == "1"


@pytest.fixture
def backup(driver, store):
    """Somebody who reads the table of processes, and keeps it so for long."""
    conn = driver.connect(store.params, 5)
    conn.cursor().execute("lock table multipool.process in access share mode")
    yield
    driver.close(conn)


def test_to_install_it_again_waits_for_nobody_who_reads(store, backup):
    store.psql(f"set lock_timeout = '1s'; {script([APP], [OPS])}")


def test_what_must_wait_for_them_gives_up_soon_and_says_so(driver, store, backup, monkeypatch):
    shown = script().replace("kept.attstorage <> 'm'", "true").replace("'3s'", "'50ms'")
    assert shown != script()
    monkeypatch.setattr("multipool.fleet.installing.script", lambda *_: shown)
    with pytest.raises(FleetError, match="somebody has a lock on the fleet's tables"):
        install_as(driver, store.params)


def test_until_then_a_process_reports_to_it(store, make_pool):
    store.psql(
        "alter function multipool.beat rename to new_beat;"
        "create function multipool.beat(report jsonb) returns jsonb language sql security definer"
        " as $$select multipool.new_beat(report) - 'written'$$"
    )
    pool = make_pool(store)
    beat(pool)
    assert heart_of(pool)._epoch


def test_until_then_a_reader_is_told_of_no_budgets():
    assert budgets_of({"processes": []}) == ()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from multipool.process",
        "select * from multipool.retired",
        "select * from multipool.control",
        "update multipool.control set cap_bytes = 0",
        "select multipool.snapshot(false)",
        "select multipool.watch(60)",
        "select multipool.retire('{}')",
        "create table multipool.mine ()",
    ],
)
def test_the_applications_role_may_report_and_nothing_else(store, sql):
    assert as_role(store, APP, "select multipool.sweep()") == ""
    with pytest.raises(RuntimeError, match="permission denied"):
        as_role(store, APP, sql)


def test_the_reader_may_read_and_not_report(store):
    assert '"processes": []' in as_role(store, OPS, "select multipool.snapshot(false)")
    with pytest.raises(RuntimeError, match="permission denied for function beat"):
        as_role(store, OPS, "select multipool.beat('{}')")
    with pytest.raises(RuntimeError, match="permission denied for table process"):
        as_role(store, OPS, "delete from multipool.process")


def test_nobody_else_may_do_anything(store):
    store.psql("create role fleet_stranger")
    try:
        with pytest.raises(RuntimeError, match="permission denied for schema multipool"):
            as_role(store, "fleet_stranger", "select multipool.beat('{}')")
        granted = store.psql(
            "select proname from pg_proc, aclexplode(proacl)"
            " where pronamespace = 'multipool'::regnamespace and grantee = 0"
        )
        assert granted == ""
    finally:
        store.psql("drop role fleet_stranger")


def test_every_function_has_its_search_path_pinned(store):
    loose = store.psql(
        "select proname from pg_proc where pronamespace = 'multipool'::regnamespace"
        " and not 'search_path=pg_catalog, pg_temp' = any(coalesce(proconfig, '{}'))"
    )
    assert loose == ""


def test_a_role_that_may_not_install_is_told_what_it_lacks(driver, bare):
    with pytest.raises(FleetError, match="this role may not install the fleet"):
        install_as(driver, {**bare.params, "user": APP})


def test_a_schema_that_somebody_else_has_made_is_not_trusted(driver, bare):
    bare.psql(f"create schema multipool authorization {APP}")
    with pytest.raises(FleetError, match="this role may not install the fleet"):
        install_as(driver, bare.params, [APP])
    assert bare.psql("select to_regclass('multipool.process')") == ""


def test_a_role_may_have_any_name(store):
    odd = "o\"d'd role"
    quoted = odd.replace('"', '""')
    store.psql(f'create role "{quoted}"')
    try:
        store.psql(script([odd], [odd]))
        store.psql(REMOVE)
    finally:
        store.psql(f'drop role "{quoted}"')


def test_it_can_be_taken_away(store):
    store.psql(REMOVE)
    assert store.psql("select to_regnamespace('multipool')") == ""
