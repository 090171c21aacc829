"""One statement on any connection: ``pool.execute``, ``pool.cursor`` and ``pool.hold``."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import Thread, until

from multipool import Pool, PoolTimeout
from multipool.driver import Driver
from multipool.hold import block_of
from multipool.testing.fake import FakeServer
from multipool.testing.proxy import Proxy

MakePool = Callable[..., Pool]

PID = "select pg_backend_pid()"


@pytest.fixture
def pool(driver: Driver, dsn: str) -> Iterator[Pool]:
    """A pool on each installed driver in turn."""
    with Pool(dsn, driver=driver, max_size=3, timeout=5, name="shop") as pool:
        pool.execute("drop table if exists thing")
        pool.execute("create table thing (number int check (number > 0))")
        yield pool


def first(pool: Pool, sql: str, *params: Any) -> Any:
    return pool.execute(sql, params or None).fetchone()[0]


# -- one statement -----------------------------------------------------------------------


def test_a_statement_gives_its_connection_back_and_its_rows_stay(pool: Pool) -> None:
    cursor = pool.execute("select generate_series(1, %s) as number", (5,))
    assert pool.stats().used == 0
    pool.drain()
    assert [column[0] for column in cursor.description] == ["number"]
    assert cursor.rowcount == 5
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert cursor.rownumber == 3
    assert list(cursor) == [(4,), (5,)]
    assert cursor.fetchone() is None
    cursor.scroll(-1)
    assert cursor.fetchall() == [(5,)]
    cursor.scroll(0, mode="absolute")
    assert next(cursor) == (1,)


def test_each_statement_is_a_transaction_of_its_own_and_committed(pool: Pool) -> None:
    assert pool.execute("insert into thing values (1), (2)").rowcount == 2
    cursor = pool.cursor()
    assert cursor.executemany("insert into thing values (%s)", [(3,), (4,)]) is cursor
    assert first(pool, "select sum(number) from thing") == 10


def test_a_statement_that_fails_leaves_nothing_behind(pool: Pool) -> None:
    with pytest.raises(pool.driver.Error):
        pool.execute("insert into thing values (1), (-1)")
    with pytest.raises(pool.driver.Error):
        pool.cursor().executemany("insert into thing values (%s)", [(1,), (-1,)])
    assert first(pool, "select count(*) from thing") == 0
    assert pool.stats().used == 0


def test_what_cannot_run_in_a_transaction_can_be_executed(pool: Pool) -> None:
    assert pool.execute("vacuum thing").description is None


def test_a_borrower_finds_autocommit_as_it_always_is(pool: Pool) -> None:
    before = pool.driver.name, _autocommit(pool)
    for _ in range(3):
        first(pool, PID)
    assert (pool.driver.name, _autocommit(pool)) == before


def _autocommit(pool: Pool) -> Any:
    with pool.connection() as conn:
        return conn.autocommit


@pytest.mark.parametrize("reset", ["auto", "never"])
def test_autocommit_is_as_it_was_whatever_reset_does(driver: Driver, dsn: str, reset: str) -> None:
    with Pool(dsn, driver=driver, max_size=1, reset=reset) as pool:
        first(pool, PID)
        assert _autocommit(pool) is False


def test_transactions_have_the_characteristics_that_were_configured(
    driver: Driver, dsn: str
) -> None:
    name = "read_only" if driver.name == "psycopg" else "readonly"

    def configure(conn: Any) -> None:
        setattr(conn, name, True)

    with Pool(dsn, driver=driver, max_size=1, configure=configure) as pool:
        assert first(pool, "show transaction_read_only") == "on"
        with pytest.raises(pool.driver.Error, match="read-only"):
            pool.execute("create table never (number int)")


def test_a_statement_waits_for_the_server_once(driver: Driver, params: dict[str, str]) -> None:
    with (
        Proxy(params, delay=0.005) as proxy,
        Pool(proxy.params, driver=driver, max_size=1) as pool,
    ):
        first(pool, PID)
        before = proxy.round_trips
        first(pool, PID)
        first(pool, "select %s::int", 1)
        assert proxy.round_trips == before + 2


def test_a_fetch_without_a_result_is_refused(pool: Pool) -> None:
    cursor = pool.execute("insert into thing values (1)")
    for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, cursor.__next__):
        with pytest.raises(pool.driver.Error, match="no result"):
            fetch()


def test_a_closed_cursor_refuses_everything(pool: Pool) -> None:
    with pool.execute("select 1") as cursor:
        pass
    with pytest.raises(pool.driver.Error, match="closed"):
        cursor.fetchone()
    with pytest.raises(pool.driver.Error, match="closed"):
        cursor.execute("select 1")


def test_scrolling_to_where_no_row_is_is_refused(pool: Pool) -> None:
    cursor = pool.execute("select generate_series(1, 3)")
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match="there are 3, counted from 0"):
            cursor.scroll(wrong)
    with pytest.raises(ValueError, match="'relative' or 'absolute'"):
        cursor.scroll(0, mode="sideways")


def test_the_holder_that_a_full_pool_names_is_the_caller(pool: Pool) -> None:
    pool.resize(max_size=1)
    sleeper = Thread(lambda: pool.execute("select pg_sleep(1)"))
    until(lambda: pool.stats().used)
    with pytest.raises(PoolTimeout, match=r"test_execute\.py:\d+ in <lambda>"):
        pool.execute("select 1", timeout=0.05)
    sleeper.outcome()


def test_a_strict_pool_executes_as_well(driver: Driver, dsn: str) -> None:
    with Pool(dsn, driver=driver, max_size=1, strict=True) as pool:
        assert first(pool, "select 42") == 42
        with pool.hold():
            assert first(pool, "select 42") == 42
        assert pool.stats().used == 0


def test_an_adapter_without_characteristics_is_enough(
    make_pool: MakePool, fake: FakeServer
) -> None:
    pool = make_pool()
    pool.execute("select 1")
    assert pool.stats().used == 0


def test_the_examples_of_the_documentation_run(pool: Pool, dsn: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "hold.md").read_text(encoding="utf-8")
    code = text.partition("## In plain Python")[2].partition("```python\n")[2].partition("```")[0]
    code = code.replace('"postgresql://app@db/shop"', repr(dsn))
    names: dict[str, Any] = {}
    pool.execute("create table product (name text, price int)")
    try:
        pool.execute("insert into product values ('tea', 3)")
        exec(code.replace('"psycopg2"', repr(pool.driver.name)), names)
        assert names["name"] == "tea"
        assert names["count"] == (2,)
    finally:
        pool.execute("drop table product")
        names["pool"].close()


# -- hold --------------------------------------------------------------------------------


def test_within_a_hold_all_statements_run_on_one_connection(pool: Pool) -> None:
    with pool.hold():
        assert pool.stats().used == 0
        pool.execute("create temporary table mine (number int)")
        pool.execute("insert into mine values (42)")
        assert first(pool, "select number from mine") == 42
        assert pool.stats().used == 1
    assert pool.stats().used == 0
    with pytest.raises(pool.driver.Error, match="mine"):
        pool.execute("select number from mine")


def test_a_hold_within_a_hold_is_part_of_it(pool: Pool) -> None:
    with pool.hold():
        pid = first(pool, PID)
        with pool.hold():
            assert first(pool, PID) == pid
        assert pool.stats().used == 1
    assert pool.stats().used == 0


def test_a_hold_is_of_one_pool_and_of_one_thread(pool: Pool, driver: Driver, dsn: str) -> None:
    with pool.hold(), Pool(dsn, driver=driver) as other:
        pid = first(pool, PID)
        first(other, PID)
        assert other.stats().used == 0
        assert Thread(lambda: first(pool, PID)).outcome() != pid


def test_a_hold_reaches_what_runs_in_a_copy_of_its_context(pool: Pool) -> None:
    with pool.hold():
        pid = first(pool, PID)
        context = contextvars.copy_context()
        assert Thread(lambda: context.run(first, pool, PID)).outcome() == pid


def test_a_transaction_begun_in_a_hold_ends_with_it(pool: Pool) -> None:
    with pool.hold():
        pool.execute("begin")
        pool.execute("insert into thing values (1)")
    with pytest.raises(ZeroDivisionError), pool.hold():
        pool.execute("begin")
        pool.execute("insert into thing values (2)")
        raise ZeroDivisionError
    assert first(pool, "select sum(number) from thing") == 1


def test_a_statement_that_fails_in_a_hold_leaves_it_usable(pool: Pool) -> None:
    with pool.hold():
        with pytest.raises(pool.driver.Error):
            pool.execute("select 1 / 0")
        assert first(pool, "select 42") == 42


def test_threads_that_share_a_hold_take_turns_on_one_connection(pool: Pool) -> None:
    sql = "insert into thing select %s from pg_sleep(0.002)"
    with pool.hold():
        threads = [_in_a_copy(partial(pool.execute, sql, (number,))) for number in range(1, 21)]
        for thread in threads:
            thread.outcome()
        assert pool.stats().size == 1
        # Seen by another connection, so each is a transaction that is committed.
        assert Thread(lambda: first(pool, "select count(*) from thing")).outcome() == 20
    assert pool.stats().used == 0


def test_who_comes_after_the_end_of_a_hold_borrows_as_without_it(pool: Pool) -> None:
    with pool.hold():
        pool.execute("select 1")
        context = contextvars.copy_context()
    for _ in range(2):
        Thread(lambda: context.run(pool.execute, "select 1")).outcome()
        assert pool.stats().used == 0


def test_a_hold_waits_at_its_end_for_a_statement_that_runs_in_it(pool: Pool) -> None:
    with pool.hold():
        first(pool, PID)
        thread = _in_a_copy(partial(pool.execute, "insert into thing select 1 from pg_sleep(0.3)"))
        until(lambda: _asleep(pool))
    assert pool.stats().used == 0
    assert first(pool, "select count(*) from thing") == 1
    thread.outcome()


def _asleep(pool: Pool) -> bool:
    sql = (
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
        " and datname = current_database() and query like 'insert into thing%'"
    )
    return bool(Thread(lambda: first(pool, sql)).outcome())


def _in_a_copy(function: Callable[[], Any]) -> Thread:
    """Run *function* in a thread with the caller's context, as `asyncio.to_thread` does."""
    return Thread(partial(contextvars.copy_context().run, function))


def test_a_hold_that_is_left_in_another_context_ends(pool: Pool) -> None:
    hold, context = pool.hold(), contextvars.copy_context()
    context.run(hold.__enter__)
    context.run(first, pool, PID)
    contextvars.copy_context().run(hold.__exit__, None, None, None)
    assert pool.stats().used == 0
    context.run(first, pool, PID)
    assert pool.stats().used == 0


def test_a_hold_may_be_used_again_and_in_itself(pool: Pool) -> None:
    hold = pool.hold()
    for _ in range(2):
        with hold:
            pid = first(pool, PID)
            with hold:
                assert first(pool, PID) == pid
            assert first(pool, PID) == pid
            assert pool.stats().used == 1
        assert pool.stats().used == 0


def test_threads_may_use_one_hold_at_the_same_time_and_each_ends_its_own_block(pool: Pool) -> None:
    hold = pool.hold()
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second() -> bool:
        with hold:
            pid = first(pool, PID)
            second_is_in.set()
            first_is_out.wait(5)
            return bool(first(pool, PID) == pid)

    with hold:
        thread = Thread(second)
        assert second_is_in.wait(5)
        first(pool, PID)
    with pool.connection():  # the other's, if it was its block that has ended
        first_is_out.set()
        assert thread.outcome()
    assert pool.stats().used == 0


def test_a_hold_goes_on_though_one_of_another_pool_ends_that_a_generator_entered_before(
    pool: Pool, driver: Driver, dsn: str
) -> None:
    def held(pool: Pool) -> Generator[Any, None, None]:
        with pool.hold():
            while True:
                yield first(pool, PID)

    with Pool(dsn, driver=driver) as other:
        before, after = held(other), held(pool)
        next(before)
        pid = next(after)
        before.close()
        assert next(after) == pid
        after.close()


def test_what_is_done_at_the_end_of_a_hold_is_all_done_though_some_of_it_fails(pool: Pool) -> None:
    done: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), pool.hold():
        pool.execute("begin")
        pool.execute("insert into thing values (1)")
        block = block_of(pool._inner)
        assert block is not None
        block.at_end("first", lambda: done.append("first"))
        block.at_end("second", fail)
        block.at_end("third", lambda: done.append("third"))
    assert done == ["first", "third"]
    assert pool.stats().used == 0
    assert first(pool, "select count(*) from thing") == 1
    assert not block.at_end("late", fail)
