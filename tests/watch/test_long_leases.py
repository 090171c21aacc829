"""Connections that are held, or idle in a transaction, for too long: by whom, where, how long."""

import json
import logging
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from support import Thread, line_of, until

from multipool import Pool
from multipool.testing.fake import FakeDriver
from multipool.watch.alarms import MOST
from multipool.watch.pressure import press
from multipool.watch.tracing import Tracing

HELD, IDLE = "held", "idle in transaction"
SECRETS = ("hunter2", "a literal", "471147114")


class View:
    """Leaves a transaction open, in a thread of its own, until it is told to go on."""

    def __init__(self, pool, *, failing=False):
        self.pool = pool
        self.failing = failing
        self.reached, self.leave, self.go_on = (threading.Event() for _ in range(3))
        self.thread = Thread(self.run)
        assert self.reached.wait(10)

    def run(self):
        with self.pool.connection() as conn:
            cursor = conn.cursor()
            cursor.execute("select 'a literal', %s", ("hunter2",))
            if self.failing:
                with suppress(Exception):
                    cursor.execute("select 471147114 / 0")
            self.reached.set()
            self.leave.wait(10)
            if self.failing:
                conn.rollback()
            cursor.execute("select 2")
            self.go_on.wait(10)

    def end(self):
        self.go_on.set()
        self.leave.set()
        self.thread.outcome(10)


@contextmanager
def a_view(pool, **options):
    view = View(pool, **options)
    try:
        yield view
    finally:
        view.end()


def places(record):
    return record.checked_out[0], record.cursor[0], record.query[0]


THREE = (
    line_of(View.run, "connection()"),
    line_of(View.run, "cursor()"),
    line_of(View.run, "a literal"),
)


def test_a_transaction_left_open_is_logged_with_the_lines_of_checkout_cursor_and_query(
    make_pool, logged
):
    pool = make_pool(idle_in_transaction_after=0.3)
    with a_view(pool):
        until(lambda: logged(IDLE))
        (record,) = logged(IDLE)
    assert places(record) == THREE
    assert all(place in record.getMessage() for place in THREE)
    assert record.name == "multipool.watch.idle_in_transaction"
    assert (record.pool, record.state) == ("shop", "idle in transaction")
    assert 0.3 <= record.seconds < 1.3
    assert line_of(View.run, "leave.wait") in record.doing
    assert pool.stats().idle_in_transaction_too_long == 1


def test_so_is_a_failed_transaction(make_pool, logged):
    pool = make_pool(idle_in_transaction_after=0.3)
    with a_view(pool, failing=True):
        until(lambda: logged(IDLE))
        (found,) = pool.idle_in_transaction(0.1)
    (record,) = logged(IDLE)
    assert record.state == found.state == "idle in transaction (aborted)"
    assert record.query[0] == line_of(View.run, "471147114")


@pytest.mark.parametrize("trace", ["auto", "full"])
def test_a_statement_ends_it_and_that_is_logged_once(make_pool, logged, trace):
    pool = make_pool(idle_in_transaction_after=0.3, trace=trace)
    with a_view(pool) as view:
        until(lambda: logged(IDLE))
        view.leave.set()
        until(lambda: logged(IDLE, ended=True))
        # And it begins anew, since the transaction is still open.
        until(lambda: len(logged(IDLE)) == 2)
        assert logged(IDLE)[1].query[0] == line_of(View.run, "select 2")
    until(lambda: len(logged(IDLE, ended=True)) == 2)
    assert logged(IDLE, ended=True)[0].query[0] == THREE[2]
    assert pool.stats().idle_in_transaction_too_long == 2


def test_a_lease_that_lasts_is_logged_when_it_crosses_the_threshold_and_when_it_ends(
    make_pool, logged
):
    pool = make_pool(held_after=0.3, idle_in_transaction_after=None)
    with a_view(pool):
        until(lambda: logged(HELD))
        assert not logged(HELD, ended=True)
        assert places(logged(HELD)[0]) == THREE
    until(lambda: logged(HELD, ended=True))
    (ended,) = logged(HELD, ended=True)
    assert places(ended) == THREE
    assert ended.seconds > 0.3
    assert "no longer held, after" in ended.getMessage()
    assert not logged(IDLE)
    assert pool.stats().held_too_long == 1


def test_the_end_is_told_though_the_pool_was_closed_meanwhile(make_pool, logged):
    pool = make_pool(held_after=0.1, idle_in_transaction_after=None)
    with a_view(pool):
        until(lambda: logged(HELD))
        pool.close(timeout=0)
        time.sleep(1)  # upkeep has looked at it
    until(lambda: logged(HELD, ended=True))
    until(lambda: pool._inner not in pool._inner.upkeep._pools, timeout=30)
    assert pool.stats().size == 0


@pytest.mark.parametrize("by_hand", [True, False])
def test_inline_the_return_to_a_closed_pool_says_that_it_is_over(make_pool, logged, by_hand):
    """There is no next call into it."""
    heard = []
    pool = make_pool(upkeep="inline", held_after=0.1, on_trouble=heard.append)
    lease = pool.connection()
    conn = pool.getconn() if by_hand else lease.__enter__()
    time.sleep(0.15)
    pool.close(timeout=0)
    assert (len(logged(HELD)), len(logged(HELD, ended=True))) == (1, 0)
    if by_hand:
        pool.putconn(conn)
    else:
        lease.__exit__(None, None, None)
    assert [trouble.ended for trouble in heard] == [False, True]


def test_inline_the_next_call_into_the_pool_says_it(make_pool, logged):
    pool = make_pool(upkeep="inline", idle_in_transaction_after=0.2, held_after=0.2)
    with a_view(pool):
        time.sleep(0.3)
        assert not logged(IDLE)
        with pool.connection():
            assert [places(record) for record in logged(IDLE) + logged(HELD)] == [THREE, THREE]
    time.sleep(0.6)
    pool.putconn(pool.getconn())
    assert len(logged(IDLE, ended=True)) == len(logged(HELD, ended=True)) == 1


@pytest.mark.parametrize("by_hand", [True, False])
def test_inline_the_return_itself_says_that_it_took_too_long(make_pool, logged, by_hand):
    pool = make_pool(upkeep="inline", held_after=0.1, idle_in_transaction_after=0.1)
    if by_hand:
        conn = pool.getconn()
        conn.cursor().execute("select 1")
        time.sleep(0.15)
        pool.putconn(conn)
    else:
        with pool.connection() as conn:
            conn.cursor().execute("select 1")
            time.sleep(0.15)
    assert len(logged(HELD)) == len(logged(IDLE)) == 1


def test_while_a_statement_runs_nobody_is_idle(make_pool, logged):
    pool = make_pool(idle_in_transaction_after=0.2)
    with pool.connection() as conn:
        cursor = conn.cursor()
        cursor.execute("select 1")
        cursor.execute("select pg_sleep(0.6)")
    assert not logged(IDLE)


def test_outside_of_a_transaction_nobody_is_idle_in_one(make_pool, logged):
    pool = make_pool(idle_in_transaction_after=0.1)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        conn.commit()
        time.sleep(0.4)
        assert pool.idle_in_transaction(0) == []
        assert pool.held(0)[0].state == "idle"
    assert not logged(IDLE)


def test_whoever_fetches_from_a_cursor_on_the_server_is_not_idle(make_pool, logged):
    pool = make_pool(idle_in_transaction_after=0.3)
    with pool.connection() as conn, conn.cursor(name="numbers") as cursor:
        cursor.execute("select generate_series(1, 100)")
        for _ in range(8):
            time.sleep(0.1)
            cursor.fetchmany(2)
    assert not logged(IDLE)


def test_a_transaction_that_no_statement_began_is_idle_from_its_beginning(driver, make_pool):
    if driver.name != "psycopg":
        pytest.skip("only psycopg has blocks that begin one")
    pool = make_pool()
    with pool.connection() as conn:
        conn.autocommit = True
        conn.execute("select 1")
        time.sleep(0.3)
        with conn.transaction():
            (holder,) = pool.idle_in_transaction(0)
    assert holder.idle_for < 0.3 <= holder.held_for


def test_a_pool_that_keeps_nothing_tells_who_holds_but_not_where(make_pool, logged):
    pool = make_pool(trace=False, held_after=0.2, idle_in_transaction_after=0.1)
    with a_view(pool):
        until(lambda: logged(HELD))
        (holder,) = pool.held()
    assert (holder.checked_out, holder.cursor, holder.query, holder.opened) == ((), (), (), ())
    assert holder.doing == ()
    assert not logged(IDLE)
    assert "an unknown line" in logged(HELD)[0].getMessage()


def test_thresholds_of_none_say_nothing(make_pool, logged):
    pool = make_pool(held_after=None, idle_in_transaction_after=None)
    with a_view(pool):
        time.sleep(0.3)
        assert len(pool.held(0.1)) == len(pool.idle_in_transaction(0.1)) == 1
    assert not logged(HELD)
    assert not logged(IDLE)


def test_the_hook_hears_of_the_beginning_and_the_end(make_pool, logged):
    heard = []
    pool = make_pool(idle_in_transaction_after=0.2, on_trouble=heard.append)
    with a_view(pool):
        until(lambda: heard)
    until(lambda: len(heard) == 2)
    assert [(trouble.kind, trouble.ended) for trouble in heard] == [(IDLE, False), (IDLE, True)]
    assert heard[0].holder.query[0] == THREE[2]
    assert str(heard[0]) == logged(IDLE)[0].getMessage()


def test_a_hook_that_fails_is_logged_without_what_it_said(make_pool, caplog):
    def fail(trouble):
        raise RuntimeError("hunter2")

    pool = make_pool(idle_in_transaction_after=0.2, on_trouble=fail)
    with a_view(pool):
        until(lambda: "on_trouble failed: RuntimeError" in caplog.text)
    assert "hunter2" not in caplog.text


def test_a_hook_hears_of_the_end_after_the_beginning_however_slow_it_is(make_pool):
    heard, ended = [], threading.Event()

    def slow(trouble):
        if trouble.ended:
            ended.set()
        else:
            ended.wait(1)  # in vain: it is told of the end when it is done with the beginning
        heard.append(trouble.ended)

    pool = make_pool(held_after=0.1, idle_in_transaction_after=None, on_trouble=slow)
    conn = pool.getconn()
    until(lambda: pool.stats().held_too_long)
    pool.putconn(conn)
    until(lambda: len(heard) == 2)
    assert heard == [False, True]


def test_a_hook_that_hangs_keeps_nobody_but_itself(fake, logged, caplog):
    heard, release = [], threading.Event()

    def hang(trouble):
        heard.append(trouble)
        release.wait(60)

    options = {"max_size": 200, "held_after": 0.1, "on_trouble": hang}
    with Pool("", driver=FakeDriver(fake), **options) as pool:
        conns = [pool.getconn() for _ in range(150)]
        until(lambda: pool.stats().held_too_long == 150, timeout=30)
        for conn in conns:
            pool.putconn(conn)
        pool.drain()
        until(lambda: pool.stats().size == 0, timeout=30)
        until(lambda: len(logged(HELD, ended=True)) == 150, timeout=30)
        assert len(heard) == caplog.text.count("of more than 100 troubles") == 1
        release.set()
        until(lambda: len(heard) == 1 + MOST, timeout=30)
        assert all(trouble.ended for trouble in heard[1:])  # the newest


def test_what_is_logged_and_returned_are_plain_fields_without_any_secret(make_pool, logged):
    heard = []
    pool = make_pool(idle_in_transaction_after=0.2, trace="full", on_trouble=heard.append)
    with a_view(pool, failing=True):
        until(lambda: heard)
        found = pool.held(0) + pool.idle_in_transaction(0)
        shown = [str(one) for one in found] + [repr(one) for one in found] + [pool.as_table()]
        shown += [json.dumps(one.as_dict()) for one in found]
    shown += [json.dumps(heard[0].as_dict()), repr(heard[0]), logged(IDLE)[0].getMessage()]
    assert len(found) == 2
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]
    assert heard[0].as_dict()["query"][0] == line_of(View.run, "471147114")


def test_a_record_shows_the_applications_lines_first(make_pool):
    pool = make_pool(trace="full")
    with a_view(pool):
        (holder,) = pool.held(0)
    lines = str(holder).splitlines()
    assert lines[0].startswith("pool 'shop': held for ")
    for title, place in zip(("checked out", "last cursor", "last query"), THREE, strict=True):
        assert lines[lines.index(f"  {title}:") + 1].strip() == place
    assert any("threading.py" in line for line in holder.query[1:])
    assert holder.backend_pid is not None
    assert holder.opened[0] == THREE[0]


def test_the_table_names_every_holder_the_longest_first(make_pool):
    pool = make_pool()
    assert pool.as_table().endswith("0 of max_size=10 in use, 0 idle, 0 waiting")
    with a_view(pool), pool.connection():
        head, titles, first, second = pool.as_table().splitlines()
    assert "2 of max_size=10 in use" in head
    assert titles.split()[:3] == ["held", "by", "thread"]
    assert "idle in transaction" in first
    assert "in run" in first
    assert "'MainThread'" in second


def test_the_table_is_logged_at_an_interval_if_asked_for(make_pool, caplog):
    caplog.set_level(logging.INFO, logger="multipool.watch.report")
    pool = make_pool(report_every=1, queries=True)
    with a_view(pool):
        until(lambda: "where the time of its queries went" in caplog.text)
    assert "1 of max_size=10 in use" in caplog.text
    assert "in run" in caplog.text
    assert "a literal" not in caplog.text


def test_a_borrower_before_is_not_taken_for_this_one(make_pool):
    pool = make_pool(max_size=1)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
    with pool.connection():
        (holder,) = pool.held(0)
    assert (holder.cursor, holder.query) == ((), ())


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_while_somebody_waits_whole_stacks_are_kept(make_pool, upkeep):
    pool = make_pool(max_size=1, upkeep=upkeep)
    conn = pool.getconn()
    assert len(pool.held(0)[0].checked_out) == 1
    waiter = Thread(lambda: stack_of_one_more(pool))
    until(lambda: pool.stats().waiting)
    conn.close()
    assert len(waiter.outcome()) > 1


def test_those_who_wait_keep_two_hundred_whole_stacks_in_a_tenth_of_a_second_unless_asked_for_all():
    auto, full = Tracing("auto"), Tracing("full")
    press(auto, 1000.0)
    assert auto.stacks
    for now, kept in ((1000.0, 200), (1000.09, 0), (1000.11, 200)):
        assert sum(auto.affords_stack(now) for _ in range(1000)) == kept
        assert all(full.affords_stack(now) for _ in range(1000))


def test_while_most_are_lent_whole_stacks_are_kept(make_pool):
    pool = make_pool(max_size=5)
    conns = [pool.getconn() for _ in range(4)]
    until(lambda: len(Thread(lambda: stack_of_one_more(pool)).outcome()) > 1)
    for conn in conns:
        conn.close()


def stack_of_one_more(pool):
    with pool.connection():
        return pool.held(0)[-1].checked_out
