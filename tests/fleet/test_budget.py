"""Processes that share a budget, on a real server that counts their connections."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pgbouncer as pgbouncers
import pytest
from budget_fleet import Count, Worker, workers
from fleet_store import APP, OPS, Store
from support import Thread, until

from multipool import Pool, PoolConfigError, PoolTimeout, TooManyWaiting
from multipool.budget import sharing, stake
from multipool.budget.gate import gate
from multipool.budget.sharing import Group
from multipool.budget.use import NEVER
from multipool.driver import Driver
from multipool.fleet.detail import detail_of
from multipool.fleet.installing import script
from multipool.target import Target
from multipool.watch.pressure import weigh

Make = Callable[..., Worker]


@pytest.fixture
def start(driver: Driver, store: Store) -> Iterator[Make]:
    """Start processes that share a budget."""
    made: list[Worker] = []

    def one(budget: int, **options: Any) -> Worker:
        options = {"budget": budget, "fleet": {"app": "shop"}, "name": "default", **options}
        worker = Worker({**store.params, "user": APP}, driver.name, options)
        made.append(worker)
        return worker

    with workers(made):
        yield one


@pytest.fixture
def count(driver: Driver, store: Store) -> Iterator[Count]:
    with Count(driver, store.params, APP) as counting:
        yield counting
    assert counting.looks


@pytest.fixture
def make(driver: Driver, store: Store) -> Iterator[Callable[..., Pool]]:
    """Make pools that share a budget."""
    made = []

    def one(budget: Any = 6, **options: Any) -> Pool:
        options = {"fleet": {"app": "shop"}, "timeout": 20, "name": "default", **options}
        params = {**store.params, "user": APP, **options.pop("params", {})}
        pool = Pool(params, driver=driver, budget=budget, **options)
        made.append(pool)
        return pool

    yield one
    for pool in made:
        pool.close()


@pytest.fixture
def through(store: Store) -> Iterator[dict[str, str]]:
    """The way to the store through a PgBouncer."""
    program = pgbouncers.program()
    if program is None:
        pytest.skip("install pgbouncer (apt-get install pgbouncer)")
    with pgbouncers.running(program, {**store.params, "user": APP}) as params:
        yield params


def shares(store: Store) -> dict[int, int]:
    lines = store.psql("select pid, share from multipool.stake").splitlines()
    return {int(pid): int(share) for pid, share in (line.split("|") for line in lines)}


def use(pool: Pool, sql: str = "select 1", timeout: float | None = None) -> None:
    with pool.connection(timeout) as conn:
        conn.cursor().execute(sql)


# -- several processes ---------------------------------------------------------------------------


def test_four_processes_never_have_more_than_their_budget_and_all_are_served(start, store, count):
    fleet = [start(12) for _ in range(4)]
    for worker in fleet:
        worker.ready()
        worker.load(10)
    until(lambda: sorted(shares(store).values()) == [2, 3, 3, 3], timeout=30)
    for busy in fleet[:2]:
        for worker in fleet:
            worker.load(10 if worker is busy else 0)
        until(lambda busy=busy: shares(store).get(busy.pid) == 10, timeout=30)
    for worker in fleet:
        worker.load(10)
    until(lambda: sorted(shares(store).values()) == [2, 3, 3, 3], timeout=30)
    fleet.pop().kill()
    until(lambda: sorted(shares(store).values()) == [3, 4, 4], timeout=30)
    fleet.append(start(12))
    fleet[-1].ready()
    fleet[-1].load(10)
    until(lambda: sorted(shares(store).values()) == [2, 3, 3, 3], timeout=30)
    for worker in fleet:
        worker.tell()
    until(lambda: all(worker.tell()["done"] for worker in fleet), timeout=30)
    assert count.most <= 12


def test_more_processes_than_connections_take_turns_and_none_connects_beyond(start, count):
    fleet = [start(3, timeout=60) for _ in range(6)]
    for worker in fleet:
        worker.ready()
        worker.load(2)
    served: set[int] = set()

    def all_served() -> bool:
        for worker in fleet:
            told = worker.tell()
            assert told["errors"] == []
            if told["done"]:
                served.add(worker.pid)
        return len(served) == len(fleet)

    until(all_served, timeout=60)
    assert count.most <= 3


def test_who_has_no_share_fails_with_an_error_that_names_budget_processes_and_hosts(
    start, make, count
):
    holder = start(3)
    holder.ready()
    holder.load(2, 60)
    until(lambda: holder.tell()["size"] == 2, timeout=20)
    with pytest.raises(PoolTimeout) as caught:
        use(make(3), timeout=4)
    host = os.uname().nodename
    assert (
        f"the budget of 3 connections is shared by 2 processes on {host} (2 processes,"
        " 2 connections); this pool has a share of 0"
    ) in str(caught.value)
    assert count.most <= 3


def test_a_killed_process_keeps_its_share_while_the_server_still_serves_it(
    start, make, store, count
):
    dead = start(4)
    dead.ready()
    dead.load(3, 30)
    sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
    until(lambda: store.psql(sleeping) == "3", timeout=20)
    dead.kill()
    pool = make(4)
    with pytest.raises(PoolTimeout):  # long after its lease was over
        use(pool, timeout=7)
    assert list(shares(store).values())
    store.psql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where usename = '{APP}' and query like 'select pg_sleep%'"
    )
    use(pool)
    assert count.most <= 4


def test_a_killed_process_of_the_same_machine_is_not_waited_for(start, store, count):
    dead, other = start(6), start(6)
    for worker in (dead, other):
        worker.ready()
    dead.load(5)
    until(lambda: shares(store).get(dead.pid) == 5, timeout=20)
    other.load(5)
    until(lambda: sorted(shares(store).values()) == [2, 3], timeout=20)
    dead.kill()
    # What its own lease would be good for.
    store.psql(
        f"update multipool.stake set ends_at = now() + interval '1 h' where pid = {dead.pid}"
    )
    until(lambda: shares(store) == {other.pid: 5}, timeout=30)
    assert count.most <= 6


def test_a_process_that_was_stopped_opens_nothing_by_what_it_was_granted_before(
    start, driver, store, count
):
    stopped, other = start(6), start(6)
    for worker in (stopped, other):
        worker.ready()
    stopped.load(1)
    until(lambda: stopped.tell()["done"], timeout=20)
    # Granted 5, of which one is open: the rest it would open when it goes on. Not stopped while
    # it asks over a connection of its own, since others would wait until it has.
    with gate(Target({**store.params, "user": APP}, driver).address, 20) as alone:
        assert alone
        os.kill(stopped.pid, signal.SIGSTOP)
    store.psql("update multipool.stake set share = 5, cap = 5")
    other.load(10)
    until(lambda: shares(store).get(other.pid) == 4, timeout=30)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.load(10)
    until(lambda: stopped.tell()["size"] > 1, timeout=30)
    assert count.most <= 6


def test_one_that_ends_gives_its_share_back_at_once(start, make, store, count):
    worker = start(6)
    worker.ready()
    worker.load(5, 0.2)
    until(lambda: shares(store).get(worker.pid) == 5, timeout=20)
    worker.load(0)
    until(lambda: worker.tell()["waiting"] == 0)
    assert worker.end() == 0
    pool = make(6)
    held = [pool.getconn() for _ in range(5)]
    assert worker.pid not in shares(store)
    for conn in held:
        pool.putconn(conn)
    assert count.most <= 6


# -- one process ---------------------------------------------------------------------------------


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_a_pool_opens_what_it_needs_up_to_its_share(make, store, count, upkeep):
    pool = make(upkeep=upkeep)
    held = [pool.getconn() for _ in range(5)]
    with pytest.raises(PoolTimeout, match="this pool has a share of 5"):
        pool.getconn(timeout=0.5)
    assert pool.stats().size == 5
    for conn in held:
        pool.putconn(conn)
    assert count.most <= 6


def test_the_mark_stays_whole_behind_a_long_name_in_any_script(make, store):
    pool = make(params={"application_name": "магазин на диване: заказы и оплата"})
    with pool.connection():
        served = "select count(*) from pg_stat_activity, multipool.stake where {} > 0"
        assert store.psql(served.format("position(mark in application_name)")) == "1"
        assert store.psql(served.format("position(': ' in application_name)")) == "1"


def test_whoever_cannot_wait_has_asked_for_the_next(make):
    pool = make()
    with pytest.raises(PoolTimeout, match="no share of the budget yet"):
        pool.getconn(timeout=0)

    until(lambda: pool._inner.stake.cap)


def test_each_pool_of_a_process_has_a_share_of_its_own(make, store, count):
    first, second = make(name="first", max_size=4), make(name="second", max_size=4)
    held = [first.getconn() for _ in range(4)]
    conn = second.getconn()
    taken = Thread(second.getconn)
    until(lambda: second.stats().waiting)
    for one in held:
        first.putconn(one)
    second.putconn(taken.outcome(20))
    second.putconn(conn)
    assert store.psql("select string_agg(pool, ' ' order by pool) from multipool.stake") == (
        "first second"
    )
    assert count.most <= 6


def test_a_share_that_shrinks_closes_idle_connections_at_once_and_lent_ones_on_return(make, count):
    pool = make(max_size=5)
    held = [pool.getconn() for _ in range(5)]
    pool.putconn(held.pop())
    pool.putconn(held.pop())
    other = make(max_size=5)
    theirs = [Thread(other.getconn) for _ in range(5)]
    until(lambda: pool.stats().size == 3, timeout=10)
    assert pool.stats().used == 3
    for conn in held:
        pool.putconn(conn)
    until(lambda: other.stats().size == 5, timeout=10)
    for one in theirs:
        other.putconn(one.outcome())
    assert count.most <= 6


def test_a_claim_that_stands_in_line_is_nobody_who_waits(make, monkeypatch):
    monkeypatch.setattr(stake, "TURN", 30.0)  # it stands there until one comes back
    pool = make(max_size=1, max_waiting=1, timeout=30)
    conn = pool.getconn()
    until(lambda: pool._inner.waiting)
    weigh(pool._inner, time.monotonic() + 600)  # who waited for a share is long forgotten
    assert not pool._inner.tracing.stacks
    assert pool.stats().waiting == 0
    assert "1 of max_size=1 in use, 0 idle, 0 waiting" in pool.as_table()
    assert detail_of(pool)["waiters"] == []
    with pytest.raises(PoolTimeout, match="1 of max_size=1 in use, 0 waiting"):
        pool.getconn(timeout=0)

    user = Thread(lambda: pool.putconn(pool.getconn()))
    until(lambda: len(pool._inner.waiting) == 2)
    assert pool.stats().waiting == 1
    assert len(detail_of(pool)["waiters"]) == 1
    with pytest.raises(TooManyWaiting, match="max_waiting=1 threads wait already: .* 1 waiting"):
        pool.getconn(timeout=30)
    pool.putconn(conn)
    user.outcome(20)


@pytest.fixture
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody claim without a reason."""
    monkeypatch.setattr(sharing, "PULSE", 300.0)
    monkeypatch.setattr(sharing, "EAGER", 300.0)
    monkeypatch.setattr(sharing, "PATIENT", 300.0)


@pytest.mark.usefixtures("rarely")
def test_who_lacks_something_knocks_at_those_who_have_it(make, count):
    first, second = make(max_size=5), make(max_size=5)
    for conn in [first.getconn() for _ in range(5)]:
        first.putconn(conn)
    takers = [Thread(second.getconn) for _ in range(3)]
    for taker in takers:
        second.putconn(taker.outcome(20))
    assert count.most <= 6


@pytest.mark.usefixtures("rarely")
def test_whose_use_falls_while_others_lack_something_says_so(make, count):
    first, second = make(max_size=5), make(max_size=5)
    held = [first.getconn() for _ in range(5)]
    takers = [Thread(second.getconn) for _ in range(5)]
    until(lambda: first.stats().share == 3, timeout=20)
    for conn in held:
        first.putconn(conn)
    for taker in takers:
        second.putconn(taker.outcome(20))
    assert count.most <= 6


@pytest.mark.usefixtures("rarely")
@pytest.mark.parametrize(
    "happen",
    [
        lambda mine, inner: mine._heard(),
        lambda mine, inner: mine.wake(inner),
        lambda mine, inner: mine.doubt(),
        lambda mine, inner: mine._neighbours._dead.update({"1-nobody": time.monotonic()}),
    ],
    ids=["a neighbour knocks", "somebody finds none", "a connection is lost", "one has died"],
)
def test_what_happens_in_the_last_moment_of_a_claim_is_a_reason_for_another(
    make, monkeypatch, happen
):
    pool = make(3)
    use(pool)
    inner, mine = pool._inner, pool._inner.stake
    calls = mine._calls
    until(lambda: calls.cut_at is None and calls.due > time.monotonic() + 100, timeout=20)
    ended = []

    def uniform(*bounds: float) -> float:
        """Stand for the last step before a call ends."""
        ended.append(bounds)
        if len(ended) == 1:
            happen(mine, inner)
        return 1.0

    monkeypatch.setattr(stake, "random", SimpleNamespace(uniform=uniform))
    mine._hurry(0.0)
    inner.upkeep.soon(inner)
    until(lambda: len(ended) >= 2, timeout=20)


@pytest.mark.usefixtures("rarely")
def test_a_store_that_cannot_be_asked_is_not_asked_for_the_sake_of_others(make):
    pool = make()
    use(pool)
    inner, stake = pool._inner, pool._inner.stake

    def looked() -> bool:
        with stake._calls.lock:  # so no call begins meanwhile
            if stake._calls.cut_at is not None:
                return False
            grant = stake.grant
            others = replace(grant.answer.state, groups=(Group(9, 0, 1, 0),))
            grant.answer, stake._told_want = replace(grant.answer, state=others), 5
            assert stake._falls_at(inner) < NEVER
            stake.troubles.failed = True
            assert stake._falls_at(inner) == NEVER
            return True

    until(looked)


def test_min_size_is_opened_from_what_nobody_needs(make):
    pool = make(min_size=3)
    pool.wait(timeout=20)
    assert pool.stats().size == 3


def test_idle_connections_stay_while_nobody_needs_them(make, store):
    pool = make()
    held = [pool.getconn() for _ in range(3)]
    for conn in held:
        pool.putconn(conn)
    claimed = "select claimed_at from multipool.stake"
    before = store.psql(claimed)
    until(lambda: store.psql(claimed) > before, timeout=10)
    assert (pool.stats().size, pool.stats().used) == (3, 0)


def test_a_forked_child_asks_for_itself(make, store, count):
    pool = make()
    use(pool)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            use(pool)
            os.write(write, b"!")
            until(lambda: os.read(read, 1), timeout=20)
            status = 0
        finally:
            os._exit(status)
    try:
        until(lambda: len(shares(store)) == 2, timeout=20)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
    use(pool)
    assert count.most <= 6


def test_a_crash_of_the_server_lets_nobody_open_more(make, driver, server):
    first, second = make(max_size=5), make(max_size=5)
    held = [first.getconn() for _ in range(4)]
    for conn in held:
        first.putconn(conn)
    use(second)
    server.stop("immediate")
    server.start()
    with Count(driver, server.params, APP) as count:
        takers = [Thread(pool.getconn) for pool in (first, second) for _ in range(4)]
        until(lambda: first.stats().used + second.stats().used == 5, timeout=20)
        time.sleep(0.1)  # for the count, not for them
        for taker in takers:
            with suppress(AssertionError):
                conn = taker.outcome(0.05)
                conn._multipool_slot.end(conn, conn._multipool_slot.serial)
        until(lambda: not first.stats().waiting + second.stats().waiting, timeout=20)
    assert count.most <= 6


# -- when the store, or the server, says no ------------------------------------------------------


def test_without_the_store_each_pool_confines_itself_and_says_so_once(driver, bare, caplog):
    params = {**bare.params, "user": APP}
    with (
        caplog.at_level(logging.WARNING, "multipool.budget"),
        Pool(params, driver=driver, budget=24, name="default", max_size=5) as pool,
    ):
        held = [pool.getconn() for _ in range(2)]
        with pytest.raises(PoolTimeout, match="confines itself to 2 of the budget"):
            pool.getconn(timeout=0.3)
        for conn in held:
            pool.putconn(conn)
    [record] = caplog.records
    assert record.getMessage() == (
        "pool 'default': its share of the budget cannot be asked for, so it confines itself to 2:"
        " the fleet is not installed here, or not for this role: run `multipool fleet install`"
    )


def test_a_store_that_is_made_a_moment_later_is_asked_and_beaten_to_soon(driver, bare):
    """As `manage.py migrate` does it, which has connected before."""
    params = {**bare.params, "user": APP}
    options = {"fleet": {"app": "shop", "every": 1}}
    with Pool(params, driver=driver, budget=24, name="default", **options) as pool:
        use(pool)
        assert pool.stats().share == 2
        bare.psql(script([APP], [OPS]))
        until(lambda: pool.stats().budget == 24, timeout=20)
        held = [pool.getconn() for _ in range(5)]
        for conn in held:
            pool.putconn(conn)
        until(bare.processes, timeout=20)


def test_without_the_store_auto_is_a_part_of_what_the_server_has(driver, bare):
    params = {**bare.params, "user": APP}
    with Pool(params, driver=driver, budget="auto", max_size=30) as pool:
        use(pool)
        most = int(bare.psql("show max_connections")) - 3
        assert pool._inner.stake.cap == most // 10


def test_a_store_that_is_locked_is_waited_for(make, store, driver):
    conn = driver.connect(store.params, 10)
    conn.cursor().execute("lock table multipool.stake in access exclusive mode")
    pool = make()
    taker = Thread(pool.getconn)
    until(lambda: pool._inner.stake.troubles.words, timeout=10)
    driver.close(conn)
    pool.putconn(taker.outcome(20))
    assert not pool._inner.stake.grant.alone


def test_a_wrong_password_is_an_error_at_once(make, driver):
    pool = make(params={"dbname": "there_is_none"})
    with pytest.raises(driver.Error) as caught:
        use(pool)
    assert not isinstance(caught.value, PoolTimeout)
    with pytest.raises(driver.Error):  # and again
        use(pool)


def test_each_who_waits_for_a_share_that_cannot_be_asked_for_has_an_error_of_its_own(make, driver):
    pool = make(params={"dbname": "there_is_none"})
    told = []

    def work() -> None:
        try:
            use(pool)
        except driver.Error as error:
            told.append(error)

    for thread in [Thread(work) for _ in range(4)]:
        thread.outcome(20)
    assert len(set(map(id, told))) == 4
    assert {driver.sqlstate(error) for error in told} <= {None, "3D000"}
    assert all("there_is_none" in str(error) for error in told)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_where_a_role_may_have_fewer_all_wait_for_their_own(make, store, upkeep, caplog):
    store.psql(f"alter role {APP} connection limit 3")
    try:
        pool = make(12, upkeep=upkeep)
        pool.putconn(pool.getconn())

        def work() -> None:
            for _ in range(10):
                use(pool, "select pg_sleep(0.002)")

        for thread in [Thread(work) for _ in range(8)]:
            thread.outcome(30)
        assert 1 <= pool.stats().size <= 3
        if upkeep == "thread":
            use(make(12))  # who comes later has its part of them too
    finally:
        store.psql(f"alter role {APP} connection limit -1")


def test_behind_a_pooler_its_clients_share_the_budget(make, through):
    pool = make(params=through)
    held = [pool.getconn() for _ in range(5)]
    with pytest.raises(PoolTimeout, match="share of 5"):
        pool.getconn(timeout=0.3)
    for conn in held:
        pool.putconn(conn)


# -- the option ----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0, 1, -3, 2.5, "all", True, [12]])
def test_another_budget_is_refused_with_what_is_allowed(driver, given):
    with pytest.raises(PoolConfigError, match="must be an integer of at least 2, 'auto'"):
        Pool("", driver=driver, budget=given, name="shop")


def test_it_needs_the_fleet_and_turns_it_on(driver):
    with Pool("", driver=driver, budget=12) as pool:
        assert pool.config.fleet is True


def test_connections_are_known_by_a_mark_in_their_application_name(make, store):
    pool = make(params={"application_name": "shop"})
    with pool.connection():
        [name] = store.psql(
            f"select application_name from pg_stat_activity where usename = '{APP}'"
        ).splitlines()
        assert name == f"shop {store.psql('select mark from multipool.stake')}"
