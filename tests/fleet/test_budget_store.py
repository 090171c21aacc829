"""What the store in PostgreSQL does with claims."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fleet_store import APP, Store
from support import Thread, until

from multipool.budget.sharing import granted
from multipool.budget.store import CLAIM
from multipool.driver import Driver

Claim = Callable[..., Any]


@pytest.fixture
def claim(driver: Driver, store: Store) -> Iterator[Claim]:
    """Put claims to the store, as the application's role."""
    conn = driver.connect({**store.params, "user": APP}, 10)
    members: dict[str, str] = {}

    def put(name: str, **told: Any) -> Any:
        one = members.setdefault(name, str(uuid.uuid4()))
        whole = {"id": one, "app": "shop", "host": "web-1", "pid": len(members), "pool": "default",
                 "mark": f"mb:{one[:8]}", "budget": 12, "want": 0, "held": 0, "cap": 0, "keep": 0,
                 "ask": 0, "end_turn": False, "full": False, "lease": 5.0}  # fmt: skip
        whole["pid"] = list(members).index(name) + 1
        answer = driver.ask(conn, CLAIM, json.dumps({**whole, **told}))
        return None if answer is None else json.loads(answer)

    yield put
    driver.close(conn)


def test_it_grants_by_the_rule_of_the_processes_and_never_more_than_there_is(claim: Claim) -> None:
    chance = random.Random(10)
    shares: dict[str, int] = {}
    for _ in range(300):
        name = f"process {chance.randrange(8)}"
        mine = shares.get(name, 0)
        held = chance.randint(0, mine)
        cap = chance.randint(0, mine)
        keep = max(cap, held)
        ask = cap + chance.choice([0, 0, 1, 3, 20])
        others = sum(shares.values()) - mine
        answer = claim(name, want=ask, held=held, cap=cap, keep=keep, ask=ask)
        assert answer["share"] == granted(11, others, keep, ask)
        assert answer["cap"] == min(answer["share"], max(cap, ask))
        shares[name] = answer["share"]
        assert sum(shares.values()) == 11 - answer["free"] <= 11


def test_it_tells_of_the_others_by_what_they_want_and_have_and_of_the_line(claim: Claim) -> None:
    claim("a", want=3, ask=3)
    claim("b", want=3, ask=3)
    claim("c", want=5)
    answer = claim("d", want=1, ask=1)
    assert sorted(answer["groups"]) == [[3, 3, 2, 2], [5, 0, 1, 1]]
    assert (answer["budget"], answer["free"], answer["processes"]) == (12, 4, 4)
    assert answer["hosts"] == [["web-1", 4, 7]]
    # Whose turn is over, and who wants something anew, stands last.
    claim("a", want=3, held=3, cap=3, keep=3, ask=3, end_turn=True)
    assert sorted(claim("d", want=1, held=1, cap=1, keep=1, ask=1)["groups"]) == [
        [3, 3, 2, 1],
        [5, 0, 1, 1],
    ]


def test_what_is_on_its_way_back_is_told(claim: Claim) -> None:
    claim("a", want=10, ask=10)
    claim("a", want=10, held=9, cap=4, keep=9, ask=4)
    answer = claim("b", want=5, ask=5)
    assert (answer["share"], answer["coming"], answer["free"]) == (2, 5, 0)


def test_the_smallest_budget_that_a_process_was_told_holds_for_all(claim: Claim) -> None:
    claim("new", budget=6, want=1, ask=1)
    assert claim("old", budget=12, want=10, ask=10)["share"] == 4


def test_one_is_kept_for_each_host_to_ask_by_but_no_more_than_a_tenth(claim: Claim) -> None:
    told = [claim(host, host=host, budget=30, want=1) for host in ("a", "b", "c", "d")]
    assert [(one["kept"], one["free"]) for one in told] == [(1, 29), (2, 28), (3, 27), (3, 27)]
    assert claim("e", host="e", budget=30, want=30, ask=30)["share"] == 27
    assert claim("small", app="reports", host="b", budget=19, ask=18)["kept"] == 1


def test_a_host_that_comes_is_given_room_by_those_that_have_all(claim: Claim) -> None:
    assert claim("a", host="a", budget=30, want=30, ask=30)["share"] == 29
    come = claim("b", host="b", budget=30, want=1, ask=1)
    assert (come["share"], come["free"]) == (0, -1)
    claim("a", host="a", budget=30, want=30, held=27, cap=27, keep=27, ask=27)
    assert claim("b", host="b", budget=30, want=1, ask=1)["share"] == 1


def test_a_host_that_beats_but_has_no_stake_is_counted(claim: Claim, store: Store) -> None:
    for host in "abc":
        store.psql(
            "insert into multipool.process"
            " (id, app, host, pid, started_at, beat_at, every_s, pooler, pools, counters)"
            f" values (gen_random_uuid(), 'shop', '{host}', 1, now(), now(), 5, false,"
            " '{}', '{}')"
        )
    assert claim("a", host="a", budget=30)["kept"] == 3


def test_a_lock_on_the_table_of_processes_keeps_nobody_from_a_share(
    claim: Claim, driver: Driver, store: Store
) -> None:
    claim("a", budget=30, want=1, ask=1)
    store.psql("update multipool.budget set kept = 3, counted_at = '-infinity'")
    other = driver.connect(store.params, 10)
    try:
        other.cursor().execute("lock table multipool.process in access exclusive mode")
        answer = claim("b", budget=30, want=2, ask=2)
    finally:
        driver.close(other)
    assert (answer["share"], answer["kept"]) == (2, 3)


def test_an_application_that_asks_no_more_is_forgotten_after_an_hour(
    claim: Claim, store: Store
) -> None:
    for app in ("shop", "mail", "reports"):
        claim(app, app=app, want=1, ask=1)
    store.psql("delete from multipool.stake where app <> 'shop'")
    store.psql(
        "update multipool.budget set counted_at = now() - interval '61 min' where app <> 'reports'"
    )
    store.psql("select multipool.sweep()")
    left = "select string_agg(app, ' ' order by app) from multipool.budget"
    assert store.psql(left) == "reports shop"
    assert claim("mail", app="mail", want=1, ask=1)["share"] == 1
    assert store.psql(left) == "mail reports shop"


def test_a_claim_that_comes_when_its_application_is_being_forgotten_begins_it_anew(
    claim: Claim, driver: Driver, store: Store
) -> None:
    claim("a", want=1, ask=1)
    store.psql("truncate multipool.stake; update multipool.budget set counted_at = '-infinity'")
    store.psql("alter function multipool.claim set lock_timeout = '10s'")
    sweeper = driver.connect(store.params, 10)
    try:
        cursor = sweeper.cursor()
        cursor.execute("select multipool.sweep()")
        cursor.fetchall()
        late = Thread(lambda: claim("a", want=1, ask=1))
        until(lambda: store.psql("select count(*) from pg_locks where not granted") == "1")
        sweeper.commit()
        assert late.outcome()["share"] == 1
    finally:
        driver.close(sweeper)


def test_many_applications_are_no_reason_to_empty_the_tables_with_each_sweep(store: Store) -> None:
    store.psql(
        "insert into multipool.budget (app, counted_at)"
        " select 'web-' || number, now() from generate_series(1, 3000) as number"
    )
    node = "select pg_relation_filenode('multipool.budget')"
    before = store.psql(node)
    store.psql("select multipool.sweep()")
    assert store.psql(node) == before


def test_two_applications_have_a_budget_each(claim: Claim) -> None:
    claim("a", want=10, ask=10)
    assert claim("b", app="reports", budget=6, want=10, ask=10)["share"] == 5


def test_what_was_silent_for_too_long_is_charged_with_what_the_server_serves_it(
    claim: Claim, driver: Driver, store: Store
) -> None:
    mark = "mb:0123abcd"
    claim("dead", mark=mark, want=10, ask=10)
    served = [
        driver.connect({**store.params, "application_name": f"shop {mark}"}, 10) for _ in range(2)
    ]
    store.psql("update multipool.stake set ends_at = now() - interval '1 s'")
    assert claim("b", want=10, ask=10)["share"] == 9
    for conn in served:
        driver.close(conn)
    for _ in range(500):
        answer = claim("b", want=11, held=9, cap=9, keep=9, ask=11)
        if answer["share"] == 11:
            break
    assert answer["share"] == 11
    assert store.psql("select count(*) from multipool.stake") == "1"


def test_who_died_before_the_clock_was_set_back_keeps_its_share_for_no_longer(
    claim: Claim, store: Store
) -> None:
    claim("dead", want=9, ask=9, lease=3.0)
    claim("waiting", want=5)
    set_back(store)
    assert claim("waiting", want=5, ask=11)["share"] == 2  # nobody knows yet that it is dead
    assert sum(ahead for *_, ahead in claim("new", want=1)["groups"]) == 2  # who comes stands last
    until(lambda: claim("waiting", want=5, ask=11)["share"] == 11, 20)


def test_when_the_clock_was_set_back_the_server_is_counted_and_tried_again(
    claim: Claim, store: Store
) -> None:
    claim("a", want=2, ask=2, full=True)
    assert claim("a", want=9, ask=9)["budget"] == 2
    store.psql("update multipool.budget set counted = 5")
    set_back(store)
    answer = claim("a", want=9, ask=9)
    assert answer["budget"] == 12
    assert store.psql("select counted_at <= now() from multipool.budget") == "t"
    store.psql("update multipool.control set swept_at = now() + interval '1 h'")
    told = {"id": str(uuid.uuid4()), "app": "shop", "every": 5, "pools": {}, "counters": {}}
    told |= {"host": "web-1", "pid": 1, "uptime": 0}
    assert json.loads(store.psql(f"select multipool.beat('{json.dumps(told)}')"))["sweep"]


def set_back(store: Store) -> None:
    """Have all that was written be ahead of the server's clock by an hour."""
    times = {"stake": ("claimed_at", "ends_at", "turn"), "budget": ("counted_at", "full_until")}
    for table, names in times.items():
        later = ", ".join(f"{name} = {name} + interval '1 h'" for name in names)
        store.psql(f"update multipool.{table} set {later}")


def test_who_gave_all_back_and_still_closes_it_is_charged_but_has_no_right_to_it(
    claim: Claim,
) -> None:
    """The server may have ended that already, and its place be another's."""
    assert claim("a", want=11, ask=11)["cap"] == 11
    claim("a", held=3, keep=3, leave=True)  # on a server that knows of no session of it
    assert claim("b", want=9, ask=9)["cap"] == 9
    back = claim("a", want=5, held=3, keep=3, ask=5)
    assert (back["share"], back["cap"], back["free"]) == (3, 2, -1)
    closed = claim("a", want=5, held=2, cap=2, keep=2, ask=5)
    assert (closed["share"], closed["cap"], closed["free"]) == (2, 2, 0)


def test_who_is_known_to_be_dead_is_charged_in_the_same_way_before_its_lease_is_over(
    claim: Claim,
) -> None:
    claim("dead", mark="mb:0123abcd", want=10, ask=10)
    claim("alive", mark="mb:4567abcd", want=1, ask=1)
    assert claim("b", want=10, ask=10)["share"] == 0
    assert claim("b", want=10, ask=10, gone=["mb:0123abcd"])["share"] == 10


def test_only_those_of_the_same_machine_know_that(claim: Claim) -> None:
    claim("dead", mark="mb:0123abcd", want=10, ask=10)
    assert claim("b", host="web-2", want=10, ask=10, gone=["mb:0123abcd"])["share"] == 1


def test_who_leaves_is_charged_in_the_same_way_at_once(claim: Claim) -> None:
    claim("a", want=10, ask=10)
    assert claim("a", held=3, leave=True) is None
    assert claim("b", want=10, ask=10)["share"] == 10  # since nothing of a's is there


def test_a_process_that_was_forgotten_is_charged_with_what_it_holds(
    claim: Claim, store: Store
) -> None:
    claim("a", want=10, ask=10)
    store.psql("truncate multipool.stake, multipool.budget")  # as a crash does
    assert claim("b", want=10, ask=10)["share"] == 10
    assert claim("a", want=10, held=3, cap=10, keep=10, ask=10)["share"] == 3


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_it_decides_by_the_newest_whatever_the_isolation(
    claim: Claim, driver: Driver, store: Store, level: str
) -> None:
    store.psql(f"alter database {store.name} set default_transaction_isolation = '{level}'")
    conn = driver.connect({**store.params, "user": APP}, 10)
    try:
        with pytest.raises(driver.Error) as caught:
            _claim_across(driver, conn, claim)
    finally:
        driver.close(conn)
    assert driver.sqlstate(caught.value) == "40001"


@pytest.fixture
def cursor(driver: Driver, store: Store) -> Iterator[Any]:
    """A connection of the application's role."""
    conn = driver.connect({**store.params, "user": APP}, 10)
    yield conn.cursor()
    driver.close(conn)


def hold(cursor: Any, store: Store, table: str) -> None:
    """See how it is, whereupon the server keeps all older rows; and make many of *table*'s."""
    cursor.execute("begin isolation level repeatable read")
    cursor.execute("select 1")
    store.psql(
        "do $$begin for number in 1..6000 loop"
        f" update multipool.{table} set app = app; end loop; end$$"
    )


def empty(store: Store, table: str) -> None:
    """Sweep until *table* is small: while somebody has a lock on it, it stays as it is."""
    size = f"select pg_total_relation_size('multipool.{table}')"
    assert int(store.psql(size)) > 300_000

    def is_small() -> bool:
        store.psql("select multipool.sweep()")
        return int(store.psql(size)) < 100_000

    until(is_small, timeout=20)


@pytest.mark.parametrize("table", ["budget", "stake"])
def test_a_held_snapshot_does_not_make_claims_ever_slower(
    claim: Claim, store: Store, cursor: Any, table: str
) -> None:
    claim("a", want=7, ask=7)
    hold(cursor, store, table)
    empty(store, table)
    assert claim("b", want=10, ask=10)["share"] == 4


def test_a_claim_that_has_seen_how_it_was_before_the_tables_were_emptied_fails(
    claim: Claim, driver: Driver, store: Store, cursor: Any
) -> None:
    claim("a", want=10, ask=10)
    hold(cursor, store, "stake")
    store.psql("update multipool.control set cap_bytes = 1000000")
    empty(store, "stake")
    with pytest.raises(driver.Error) as caught:
        _put(cursor)
    assert driver.sqlstate(caught.value) == "40001"


def _claim_across(driver: Driver, conn: Any, claim: Claim) -> None:
    """Claim in a transaction that has seen how it was before another claimed."""
    cursor = conn.cursor()
    claim("a", want=1, ask=1)
    cursor.execute("select 1")
    claim("b", want=10, ask=10)
    _put(cursor)


def _put(cursor: Any, host: str = "h") -> Any:
    """Claim all there is for a new process; return the answer."""
    told = {"id": str(uuid.uuid4()), "app": "shop", "host": host, "pid": 9, "pool": "p",
            "mark": "mb:00000000", "budget": 12, "want": 10, "held": 0, "cap": 0, "keep": 0,
            "ask": 10, "end_turn": False, "full": False, "lease": 5.0}  # fmt: skip
    cursor.execute("select multipool.claim(%s::jsonb)::text", (json.dumps(told),))
    return cursor.fetchone()[0]


def test_auto_is_what_the_server_has_without_others(
    claim: Claim, driver: Driver, store: Store
) -> None:
    settings = store.psql(
        "select current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
        " - coalesce(current_setting('reserved_connections', true), '0')::int"
    )
    others = int(store.psql("select count(*) from pg_stat_activity where usesysid is not null"
                            " and datid is not null and pid <> pg_backend_pid()"))  # fmt: skip

    def budget() -> int:
        """Count anew: what looked a moment ago may not have gone yet."""
        store.psql("update multipool.budget set counted_at = '-infinity'")
        found: int = claim("a", budget=None)["budget"]
        return found

    until(lambda: budget() == int(settings) - others)
    ours = store.psql("select mark from multipool.stake")
    conn = driver.connect({**store.params, "application_name": f"shop {ours}"}, 10)
    try:
        until(lambda: budget() == int(settings) - others)
    finally:
        driver.close(conn)
    assert claim("b", budget=20)["budget"] == 20
    assert budget() == 20


def test_auto_counts_no_processes_that_help_with_a_query(driver: Driver, store: Store) -> None:
    other = driver.connect(store.params, 10)
    cursor = other.cursor()
    cursor.execute(
        "select set_config(name, 'on', false) from pg_settings"
        " where name in ('force_parallel_mode', 'debug_parallel_query')"
    )
    sleeper = Thread(lambda: cursor.execute("select pg_sleep(60)"))
    helping = "select count(*) from pg_stat_activity where backend_type = 'parallel worker'"
    until(lambda: store.psql(helping) == "1")
    all_of_them = (
        "select multipool.budget_of_server('{}') + count(*) from pg_stat_activity"
        " where backend_type = 'client backend'"
    )
    assert store.psql(all_of_them) == store.psql(
        "select current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
    )
    store.psql(f"select pg_terminate_backend({driver.backend_pid(other)})")
    with pytest.raises(driver.Error):
        sleeper.outcome()
    driver.close(other)


def test_auto_heeds_the_limit_of_the_role(claim: Claim, store: Store) -> None:
    store.psql(f"alter role {APP} connection limit 9")
    try:
        # One is this test's, without a mark of its own.
        assert claim("a", budget=None)["budget"] == 8
    finally:
        store.psql(f"alter role {APP} connection limit -1")


def test_a_server_that_gives_no_more_lowers_the_budget_for_a_while(
    claim: Claim, driver: Driver, store: Store
) -> None:
    claim("a", mark="mb:0123abcd", want=10, ask=3)
    conns = [
        driver.connect({**store.params, "application_name": "mb:0123abcd"}, 10) for _ in range(3)
    ]
    try:
        assert claim("a", want=3, held=3, cap=3, keep=3, ask=3, full=True)["budget"] == 3
        assert claim("b", want=3, ask=3)["share"] == 0
        store.psql("update multipool.budget set full_until = now()")
        assert claim("b", want=3, ask=3)["share"] == 3
    finally:
        for conn in conns:
            driver.close(conn)


def test_another_role_is_not_told_on_which_hosts_an_application_runs(
    claim: Claim, driver: Driver, store: Store
) -> None:
    for name in "abc":
        claim(name, host=f"web-{name}", want=1, ask=1)
    conn = driver.connect(store.params, 10)
    try:
        cursor = conn.cursor()
        told = json.loads(_put(cursor, host="db"))
        conn.commit()
    finally:
        driver.close(conn)
    assert told["hosts"] == [["db", 1, 8], [f"(role {APP})", 3, 3]]
    assert (told["processes"], told["host_count"]) == (4, 2)
    assert len(claim("a")["hosts"]) == 4


def test_no_number_that_a_process_can_have_said_takes_a_budget_below_its_smallest(
    claim: Claim,
) -> None:
    claim("odd", budget=-5, held=-7, cap=-7, keep=-7, ask=-7)
    answer = claim("a", want=3, ask=3)
    assert (answer["budget"], answer["share"], answer["coming"]) == (2, 1, 0)


def test_a_role_that_only_reports_cannot_read_or_change_it(store: Store) -> None:
    for sql in ("table multipool.stake", "table multipool.budget",
                "update multipool.stake set share = 0"):  # fmt: skip
        with pytest.raises(RuntimeError, match="permission denied"):
            store.psql(f"set role {APP}; {sql}")
