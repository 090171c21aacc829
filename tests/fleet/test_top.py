"""``multipool top --fleet``: the processes of all machines on the screen of ``top``."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fleet_store import OPS, beat

from multipool import cli
from multipool.fleet import read
from multipool.testing import fleets
from multipool.testing.server import uri
from multipool.top.of_fleet import NOBODY, FleetLook, as_dict, overview


def text_of(snapshot, by="total", limit=5):
    return overview(snapshot, by, limit).as_text()


def test_it_begins_with_the_server_and_the_verdict():
    lines = overview(fleets.exhausted(), "total", 5).lines
    assert lines[0].startswith("shop at 2026-11-22T03:12:44.120Z, PostgreSQL 15.14: ")
    assert lines[1].startswith("Critical: shop: 3 of 7 pools exhausted, 18 waiting, oldest 8.2 s")
    assert "held by checkout() shop/views.py:88" in lines[1]


def test_the_fullest_pools_and_the_longest_leases_come_first():
    snapshot = fleets.exhausted()
    text = text_of(snapshot, limit=3)
    heads = [line for line in text.splitlines() if line.startswith(("pools", "held"))]
    assert heads == [
        f"pools, the fullest first: 3 of {len(snapshot.pools)}",
        f"held connections: 3 of {len(snapshot.holders)}",
    ]
    pools, held = overview(snapshot, "total", 3).sections[1:3]
    assert [row[5] for row in pools.rows] == ["7", "6", "5"]
    assert held.rows[0][3:] == (
        "4 min 9 s",
        "4 min 5 s",
        "shop/views.py:88 in checkout",
        "shop/payment.py:47 in authorise",
    )


def test_who_keeps_others_waiting_is_told_only_while_somebody_does():
    assert "who keeps whom waiting" not in text_of(fleets.healthy())
    [blocked] = [
        section
        for section in overview(fleets.blocked(), "total", 5).sections
        if section.title == "who keeps whom waiting"
    ]
    assert blocked.rows == [("pid 5000", "reports", "9", "41 s", "reports/jobs.py:40 in nightly")]


@pytest.mark.parametrize("by", ["total", "calls", "mean", "p95"])
def test_queries_are_sorted_as_asked(by):
    snapshot = fleets.healthy()
    [*_, section] = overview(snapshot, by, 100).sections
    most = max(snapshot.queries, key=lambda query: getattr(query, by))
    assert section.title == f"queries by {by}"
    assert section.rows[0][-1].endswith(f": {most.statement}")


def test_programs_are_told_of_the_queries_that_were_asked_for():
    snapshot = fleets.healthy()
    told = as_dict(snapshot, "calls", 2)
    calls = sorted((query.calls for query in snapshot.queries), reverse=True)
    assert [query["calls"] for query in told["queries"]] == calls[:2]
    assert len(told["holders"]) == len(snapshot.holders)


def test_what_processes_share_is_told_where_they_share_anything():
    assert "shared budgets" not in text_of(fleets.healthy())
    _, budgets, pools, *_ = overview(fleets.sharing(), "total", 3).sections
    assert budgets.rows == [
        ("shop", "30", "27", "0", "36", "24", "5", "3 of web-01 2109, pool default")
    ]
    assert pools.rows[0][8] == "3 of 30"


def test_a_silent_process_is_told_to_be():
    assert "(stale)" in text_of(fleets.large(), limit=200)


def test_a_fleet_without_processes_says_so():
    assert NOBODY in text_of(fleets.empty())


def test_nothing_that_others_wrote_moves_the_cursor():
    snapshot = fleets.healthy()
    [pool, *others] = snapshot.pools
    evil = replace(pool, name="\x1b[2Jdefault\nfake")
    text = text_of(replace(snapshot, pools=(evil, *others)), limit=100)
    assert "\x1b" not in text
    assert "?[2Jdefault?fake" in text


def test_a_server_that_goes_away_leaves_what_was_last_seen(make_pool, store, ops):
    beat(make_pool(store, name="default"))
    look = FleetLook(ops, 15, "total", 5)
    before = look()
    store.psql("alter schema multipool rename to elsewhere")
    again = look()
    assert again.lines[0].startswith("The server could not be read again")
    assert (again.lines[1:], again.sections) == (before.lines, before.sections)


def test_the_command_prints_it_once_as_text_and_as_json(make_pool, store, driver, capsys):
    pool = make_pool(store, name="default", max_size=7, queries=True)
    with pool.connection() as conn:
        for sql in ("select 1", "select 1, 2"):
            conn.cursor().execute(sql)
        beat(pool)
        dsn = uri({**store.params, "user": OPS})
        arguments = ["top", "--once", f"--fleet={dsn}", "--driver", driver.name]
        assert cli.main(arguments) == 0
        text = capsys.readouterr().out
        for _ in range(2):  # by now it is asked for details
            beat(pool)
        assert cli.main([*arguments, "--json", "--limit", "1"]) == 0
        told = json.loads(capsys.readouterr().out)
    assert "applications: 1" in text
    assert "pools, the fullest first: 1\n" in text
    assert told["pools"][0]["max_size"] == 7
    assert len(told["queries"]) == 1


def test_looking_asks_all_processes_for_details(make_pool, store, ops):
    pool = make_pool(store)
    beat(pool)
    FleetLook(ops, 15, "total", 5)()
    beat(pool)
    beat(pool)
    assert read(ops, watch=0).processes[0].detailed


def test_what_goes_wrong_is_told_in_a_line(bare, driver, capsys):
    dsn = uri({**bare.params, "user": OPS})
    assert cli.main(["top", "--once", f"--fleet={dsn}", "--driver", driver.name]) == 1
    told = capsys.readouterr()
    assert "run `multipool fleet install`" in told.err
    assert "Traceback" not in told.err
