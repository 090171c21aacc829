"""The janitor: who is stale, who is gone, and how large the table may grow."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from fleet_store import beat

from multipool.fleet.heart import BEAT, SWEEP
from multipool.fleet.packing import pack

REPORT = {
    "app": "shop",
    "host": "h",
    "pid": 1,
    "uptime": 1,
    "every": 10,
    "epoch": None,
    "backend": None,
    "pools": {},
    "counters": {"default": {"checkouts": 1}},
    "detail": None,
}


def report_of(number, **changes):
    """Return what the process of that number reports."""
    if "detail" in changes:
        changes["detail"] = pack(changes["detail"])
    return {**REPORT, "id": f"00000000-0000-0000-0000-{number:012}", **changes}


def told(number, **changes):
    """Return the SQL of its beat."""
    return f"select multipool.beat('{json.dumps(report_of(number, **changes))}')"


@pytest.mark.parametrize(
    ("silence", "state"), [(0, "alive"), (29, "alive"), (31, "stale"), (99, "stale"), (101, "gone")]
)
def test_stale_after_three_beats_and_gone_after_ten(store, look, silence, state):
    store.psql(told(1))
    store.pass_time(silence)
    [process] = look().processes
    assert process.state == state
    assert process.age == pytest.approx(silence, abs=2)


#: What a process tells whose only pool is exhausted.
EXHAUSTED = {
    "pools": {"default": {"max_size": 1, "size": 1, "used": 1, "waiting": 3, "oldest_wait": 2.0}},
    "detail": {
        "pools": {
            "default": {
                "holders": [{"seconds": 5.0}],
                "waiters": [{"seconds": 2.0}],
                "queries": [{"statement": "select 1", "calls": 1}],
                "usage": [{"kind": "view", "name": "v", "route": "/", "hold": "request"}],
            }
        }
    },
}


def test_who_waited_when_a_process_fell_silent_is_taken_to_wait_still(store, look):
    store.psql(told(1, **EXHAUSTED))
    store.pass_time(50)
    snapshot = look()
    [pool] = snapshot.pools
    [waiter] = snapshot.waiters
    assert pool.oldest_wait == waiter.seconds > 50
    assert (len(snapshot.holders), len(snapshot.queries), len(snapshot.usage)) == (1, 1, 1)


def test_what_the_pools_of_a_gone_process_were_is_told_no_more_though_nobody_swept(store, look):
    store.psql(told(1, **EXHAUSTED))
    store.pass_time(101)
    snapshot = look()
    assert [process.state for process in snapshot.processes] == ["gone"]
    assert (snapshot.pools, snapshot.holders, snapshot.waiters) == ((), (), ())
    assert (snapshot.queries, snapshot.usage) == ((), ())
    [shop] = snapshot.applications
    assert (shop.processes, shop.stale, shop.pools, shop.waiting) == (1, 1, 0, 0)
    assert shop.counters == {"checkouts": 1}
    assert [host.used for host in snapshot.hosts] == [0]


def test_who_is_gone_is_swept_away_and_its_totals_are_kept(store, look):
    store.psql(f"{told(1)}; {told(2)}; {told(3, app='mail')}")
    store.pass_time(101)
    store.psql(f"{told(3, app='mail')}; select multipool.sweep()")
    snapshot = look()
    assert [process.app for process in snapshot.processes] == ["mail"]
    assert {app.name: app.counters for app in snapshot.applications} == {
        "shop": {"checkouts": 2},
        "mail": {"checkouts": 1},
    }


def test_whatever_the_pools_of_the_gone_were_called_their_totals_are_one_row(store, look):
    counted = {name: {"checkouts": number} for number, name in enumerate("abc", 1)}
    # By an older version.
    store.psql("insert into multipool.retired values ('shop', 'a', '{\"checkouts\": 4}')")
    for number in (1, 2):
        named = {f"{name}-{number}": one for name, one in counted.items()}
        store.psql(told(number, counters=named))
        store.pass_time(101)
        store.psql("select multipool.sweep()")
    assert store.psql("select count(*) from multipool.retired") == "2"
    [shop] = look().applications
    assert shop.counters == {"checkouts": 4 + 6 + 6}


def test_of_applications_that_have_no_process_the_latest_totals_are_kept(store, look):
    store.psql(
        "insert into multipool.retired"
        " select 'pod-' || n, '', '{\"checkouts\": 1}', now() - n * interval '1 h'"
        " from generate_series(1, 700) as n;"
        "insert into multipool.retired values ('shop', '', '{\"checkouts\": 7}', '-infinity')"
    )
    store.psql(f"{told(1)}; select multipool.sweep()")
    totals = {app.name: app.counters for app in look().applications}
    assert totals["shop"] == {"checkouts": 8}
    assert totals.keys() - {"shop"} == {f"pod-{n}" for n in range(1, 501)}


def test_a_beat_sweeps_when_it_was_long_ago(driver, make_pool, store):
    store.psql(told(1))
    store.pass_time(101)
    store.psql("update multipool.control set swept_at = now() - interval '11 s'")
    beat(make_pool(store))
    assert [row["app"] for row in store.processes()] == ["shop"]
    assert store.psql("select processes, counters from multipool.control, multipool.retired") == (
        '1|{"checkouts": 1}'
    )


def test_one_sweeps_at_a_time(store, driver):
    other = driver.connect(store.params, 5)
    try:
        other.cursor().execute("select multipool.sweep()")
        store.psql(told(1))
        store.pass_time(101)
        store.psql("select multipool.sweep()")
        assert len(store.processes()) == 1
    finally:
        driver.close(other)


@pytest.fixture
def keeper(store, driver):
    """Somebody whose snapshot keeps every version of every row from being cleared."""
    conn = driver.connect(store.params, 5)
    cursor = conn.cursor()
    cursor.execute("begin isolation level repeatable read")
    cursor.execute("select count(*) from pg_class")
    yield
    driver.close(conn)


#: Twenty threads' names that do not compress.
FILLER = [{"thread": sha256(bytes([n])).hexdigest()} for n in range(20)]


def grow(store, driver, *, sweeps):
    """Beat 800 times within moments; sweep when told to, if so; return sizes and answers."""
    sizes, answers = [], []
    conn = driver.connect(store.params, 5)
    try:
        for number in range(800):
            report = report_of(number % 10, detail={"default": {"holders": FILLER}})
            answer = driver.ask(conn, BEAT, json.dumps(report))
            answers.append(json.loads(answer))
            if sweeps and answers[-1]["sweep"]:
                driver.ask(conn, SWEEP)
            size = driver.ask(conn, "select pg_total_relation_size('multipool.process')::text")
            sizes.append(int(size))
    finally:
        driver.close(conn)
    return sizes, answers


def test_a_held_snapshot_does_not_let_the_table_grow_over_its_cap(store, driver, keeper):
    cap = 1_000_000
    store.psql(f"update multipool.control set cap_bytes = {cap}; select multipool.sweep()")
    sizes, answers = grow(store, driver, sweeps=True)
    assert max(sizes) <= cap
    assert max(sizes) > cap / 2  # it would have grown
    # No sweep was due by the clock: the beats saw for themselves, and each was written.
    assert 1 <= sum(answer["sweep"] for answer in answers) <= 20
    assert all(answer["written"] for answer in answers)
    assert len(store.processes()) == 10  # and nobody was lost


def test_beats_beyond_the_cap_are_not_written_where_nobody_sweeps(store, driver, keeper):
    cap = 1_000_000
    store.psql(f"update multipool.control set cap_bytes = {cap}; select multipool.sweep()")
    sizes, answers = grow(store, driver, sweeps=False)
    assert cap * 3 / 4 < max(sizes) <= cap
    assert answers[-1]["known"]
    assert not answers[-1]["written"]


def test_what_was_not_written_is_not_taken_for_heard(driver, make_pool, store, look):
    pool = make_pool(store)
    beat(pool)
    store.psql("update multipool.control set cap_bytes = 0")
    for _ in range(5):
        with pool.connection():
            pass
    counted = pool.stats().checkouts
    beat(pool)
    store.psql("update multipool.control set cap_bytes = 1000000")
    store.pass_time(10_000)
    store.psql("select multipool.sweep()")
    beat(pool)
    [shop] = look().applications
    assert shop.counters["checkouts"] == counted


def test_where_the_table_cannot_be_emptied_nothing_more_is_written(store, driver, look):
    store.psql("update multipool.control set cap_bytes = 0")
    reader = driver.connect(store.params, 5)
    try:
        reader.cursor().execute("select count(*) from multipool.process")
        store.psql(told(1))
        store.psql("select multipool.sweep()")
        store.psql(told(2))
        assert len(store.processes()) == 1
        assert any("over its cap" in note for note in look().notes)
    finally:
        driver.close(reader)
    store.psql("update multipool.control set cap_bytes = 1000000; select multipool.sweep()")
    store.psql(told(2))
    assert len(store.processes()) == 2
    assert not any("over its cap" in note for note in look().notes)


@pytest.mark.parametrize(
    "report",
    [
        {"counters": {"default": {"checkouts": "many", "waited": None, "opened": [1]}}},
        {"counters": {"default": 5, "other": {"checkouts": {"deep": 1}}}},
        {"pools": {"default": {"max_size": "ten", "used": None}, "x": 3}},
        {"detail": {"pools": {"a": {"holders": [5, {"thread": 7, "checked_out_at": "no"}, None]}}}},
        {"detail": {"frames": 3, "pools": {"a": {"queries": [{"calls": "x"}], "waiters": 3}}}},
        {"detail": {"frames": [5], "pools": {"a": {"waiters": [{"stack": [0, 1, "x"]}]}}}},
        {"detail": {"pools": []}},
        {"detail": []},
        {"detail": {"pools": {"a": {"queries": [{"calls": 1e308, "histogram": [1, "x", []]}]}}}},
        {"detail": {"pools": {"a": {"holders": [{"backend": [1], "open_for": "x"}]}}}},
        {"detail": {"pools": {"a": {"queries": [{"total": 10**400}, {"total": 1.5}]}}}},
        {"detail": {"pools": {"a": {"queries": [{"histogram": [0, n]} for n in (10**400, 1.5)]}}}},
        {"app": "x" * 10_000},
        {"uptime": 1e8, "every": 1e300},
    ],
)
def test_whatever_a_process_writes_the_others_are_read_and_swept(store, look, report):
    store.psql(f"{told(1)}; {told(2, **report)}")
    assert len(look().processes) == 2
    store.pass_time(10_000)
    store.psql("select multipool.sweep()")
    assert store.processes() == []
    [shop] = [app for app in look().applications if app.name == "shop"]
    assert shop.counters["checkouts"] >= 1


@pytest.mark.parametrize(
    "written",
    [
        {"pools": '{"a": {"size": 1e5000}, "b": {"size": 1}}'},
        {"counters": '{"a": {"checkouts": 1e5000}}'},
        {"pools": f'{{"a": {"[" * 1500}{"]" * 1500}, "b": {{"size": 1}}}}'},
        {"counters": f'{{"a\\\\": {{"[{{\\"": {"[1," * 1500}{{}}{"]" * 1500}, "b": "]"}}}}'},
    ],
)
def test_what_no_reader_of_json_can_bear_spoils_no_page(store, look, written):
    [(name, raw)] = written.items()
    store.psql(told(1))
    store.psql(told(2, **{name: "raw"}).replace('"raw"', raw))
    snapshot = look()
    assert len(snapshot.processes) == 2
    # What stands beside it is read.
    assert {pool.name: pool.size for pool in snapshot.pools}.get("b", 0) == raw.count('"size": 1}')
    store.pass_time(10_000)
    store.psql("select multipool.sweep()")
    [shop] = look().applications
    assert shop.counters["checkouts"] == 2 - (name == "counters")


def test_a_report_that_is_too_large_is_refused(store):
    store.psql(told(1))
    store.psql(
        "create function pg_temp.huge() returns jsonb language sql as"
        " $$select jsonb_build_object('app', string_agg(md5(n::text), ''))"
        " from generate_series(1, 40000) n$$;"
        " do $$begin perform multipool.beat(pg_temp.huge()); raise 'accepted';"
        " exception when program_limit_exceeded then null; end$$"
    )
