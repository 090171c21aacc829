"""Plans of a pool whose driver prepares nothing, and what of them needs no server."""

from __future__ import annotations

import gc
import sys
import time
from threading import Event, get_ident
from types import SimpleNamespace
from weakref import ref

import pytest
from support import Thread, until

from multipool import Pool, PoolConfigError
from multipool.placeholders import read
from multipool.plans.disturbing import CHANGES, DROPS, NOTHING, disturbance
from multipool.plans.guard import Guard
from multipool.plans.limits import split, with_parameters
from multipool.plans.literals import kind_of
from multipool.plans.options import PrepareOptions
from multipool.plans.planner import Planner
from multipool.plans.shelf import Shelf
from multipool.plans.statement import Form, Statement
from multipool.plans.text_form import kinds_of
from multipool.testing.fake import FakeDriver


def test_a_driver_that_prepares_nothing_says_so():
    with Pool({}, driver=FakeDriver(), name="shop") as pool:
        with pytest.raises(PoolConfigError, match="pool 'shop': driver 'fake' prepares no"):
            pool.prepare("select 1")
        assert pool.plans() == []
    with pytest.raises(PoolConfigError, match="driver 'fake' prepares no statements"):
        Pool({}, driver=FakeDriver(), prepare={"threshold": 5})


@pytest.mark.parametrize(
    ("literal", "type_"),
    [
        (b"5", "int4"),
        (b" -5", "int4"),
        (b"2147483647", "int4"),
        (b"2147483648", "int8"),
        (b" -2147483648", "int4"),
        (b" -2147483649", "int8"),
        (b"-21474836480", "int8"),
        (b"999999999999999999", "int8"),
        (b"9999999999999999999", None),
        (b"1.5", "numeric"),
        (b"1e+20", "numeric"),
        (b"true", "boolean"),
        (b"'a'", "unknown"),
        (b"'it''s'", "unknown"),
        (b" E'a\\\\b'", "unknown"),
        (b"'2026-11-22'::date", "date"),
        (b"'{1,2}'::int4[]", "int4[]"),
        (b"ARRAY[1,2]", "int4[]"),
        (b"ARRAY['a', 'b''c']", "text[]"),
        (b"ARRAY[1,'a']", None),
        (b"(1, 2)", None),
        (b"now()", None),
        (b"'a' || 'b'", None),
        (b"'a'::numeric(3,1)", None),
        (b"NULL", None),
    ],
)
def test_a_parameters_type_is_told_from_its_literal(literal, type_):
    kind = kind_of(literal)
    assert (kind and kind.type) == type_


@pytest.mark.parametrize(
    ("text", "literals", "bindable"),
    [
        ("select %s", [b"1"], True),
        ("select %s, %s", [b"1", b"NULL"], True),
        ("select 1; select %s", [b"1"], False),
        ("select '%s'", [b"1"], False),
        ("select a from t order by %s", [b"1"], False),
        ("select a from t order by a, %s", [b"1"], False),
        ("select a from t order by f(a, %s)", [b"1"], True),
        ("select a from t order by a, ( (%s) ) desc", [b"1"], False),
        ("select a from t order by (a + %s)", [b"1"], True),
        ("select a from t order by f((%s))", [b"1"], True),
        ("select a from t group by rollup (a, %s)", [b"1"], False),
        ("select a from t group by grouping sets ((%s, b), cube(%s))", [b"1", b"2"], False),
        ("select distinct on (%s) a from t", [b"1"], False),
        ("select distinct on (f(%s)) a, %s, b from t", [b"1", b"2"], True),
        ("select a from t order by (select distinct on (b) c from u), %s", [b"1"], False),
        ("select a from t where b in (select c from d order by e) and f = %s", [b"1"], True),
        ("select a from t group by a, %s", [b"1"], False),
        ("select a from t order by a limit %s", [b"1"], True),
        ("select a + %s from t group by a + %s", [b"1", b"1"], False),
        ("select a + %s from t group by a + %s", [b"1", b"2"], True),
        ("select %s is null", [b"1"], False),
        ("select concat(%s)", [b"'a'"], False),
        ("select concat(%s)", [b"1"], True),
        ("select f(%s)", [b"array_agg(1)"], False),
    ],
)
def test_what_would_mean_something_else_as_a_parameter_is_not_one(text, literals, bindable):
    assert (kinds_of(read(text, False), literals) is not None) is bindable


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 LIMIT 20", ("select 1", (20, 0))),
        ("select 1\nlimit 20 offset 40\n", ("select 1", (20, 40))),
        ("select 1 LIMIT %s", None),
        ("select 1 OFFSET 5", None),
        ("select * from (select 1 LIMIT 5) x", None),
        ("select 1 -- LIMIT 5", None),
        ("select 1", None),
    ],
)
def test_trailing_limits_are_split_off(sql, expected):
    assert split(sql) == expected


@pytest.mark.parametrize(
    ("params", "text", "all_params"),
    [
        (None, "select '%%' LIMIT %s OFFSET %s", (2, 4)),
        ([1], "select '%' LIMIT %s OFFSET %s", (1, 2, 4)),
        (
            {"a": 1},
            "select '%' LIMIT %(multipool limit)s OFFSET %(multipool offset)s",
            {"a": 1, "multipool limit": 2, "multipool offset": 4},
        ),
    ],
)
def test_limits_join_parameters_of_any_kind(params, text, all_params):
    assert with_parameters("select '%'", (2, 4), params) == (text, all_params)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1", NOTHING),
        ("select created, dropped from altered", NOTHING),
        ("select 1 /*file='create.py',line='1'*/", NOTHING),
        ("create table t () /*file='views.py',line='1'*/", CHANGES),
        ("ALTER TABLE t ADD c int", CHANGES),
        ("begin; drop table t; commit", CHANGES),
        ("select 1 as id into temp product", CHANGES),
        ("select 1 as id into product", NOTHING),
        ("select * from log where action in ('create', 'drop') or \"alter\" = 1", NOTHING),
        ("insert into log values ('deallocate')", NOTHING),
        ("select 1; drop table t", CHANGES),
        ("insert into log values (1); create table t ();", CHANGES),
        ("select run('alter table t add c int')", CHANGES),
        ("select run('deallocate all')", DROPS),
        ("select set_config('standard_conforming_strings', 'off', false)", CHANGES),
        ("drop/* a */table t", CHANGES),
        ("SET standard_conforming_strings = off", CHANGES),
        ("discard all", DROPS),
        ("/* a */ DEALLOCATE mine", DROPS),
    ],
)
def test_what_concerns_prepared_statements_is_seen(sql, expected):
    assert disturbance(sql) == expected


def test_a_planner_remembers_a_bounded_number_of_statements():
    planner = Planner("shop", PrepareOptions(threshold=1))
    asked = planner.prepare("select 'asked for'", False)
    for number in range(12_000):
        planner.meet(f"select {number}")
    assert len(planner.wordings) <= 5000
    assert len(planner.report()) <= 1000
    assert planner.wordings["select 'asked for'"].statement.asked == 1
    asked.close()


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("select 1 where pin = 123456", "select ? where pin = ?"),
        ("select $$hunter2$$", "select ?"),
        ("select $x$hunter2$x$", "select ?"),
        (r"select E'it\'s hunter2', 'b'", "select ?, ?"),
        ("select a /* hunter2 */ from t -- hunter2", "select a from t"),
        (f"select {'a, ' * 100}b", f"select {'a, ' * 63}a..."),
    ],
)
def test_a_statement_is_shown_without_what_may_be_somebodys_data(sql, shown):
    assert Statement(sql, Guard(), wanted=True).shown() == shown


def test_two_that_begin_planning_at_once_give_a_connection_one_shelf():
    used, go_on = [], Event()

    class Slow(FakeDriver):
        prepares = True

        def use_plans(self, conn, shelf):
            used.append(shelf)
            go_on.wait(10)
            conn._multipool_shelf = shelf

    with Pool({}, driver=Slow()) as pool, pool.connection() as conn:
        caretaker = pool._inner.caretaker
        caretaker.planner = Planner("shop", PrepareOptions())
        threads = [Thread(lambda: caretaker.plan(conn)) for _ in range(2)]
        until(lambda: used)
        time.sleep(0.05)  # for the other one to come as far
        go_on.set()
        for thread in threads:
            thread.outcome()
        assert used == [conn._multipool_shelf]


@pytest.mark.parametrize("limits", [False, True])
def test_what_was_forgotten_while_nobody_asked_is_asked_for_again(limits):
    planner = Planner("shop", PrepareOptions(threshold=5))
    text = "select a from t LIMIT 20"
    handle = planner.prepare(text, limits)
    handle.close()
    for number in range(12_000):
        planner.meet(f"select {number}")
    assert text not in planner.wordings
    for _ in range(2):
        with handle:
            assert planner.wordings[text].statement.sql == handle.sql
            assert planner.wordings[text].statement.asked == 1
        assert planner.wordings[text].statement.asked == 0


def test_threads_add_forms_of_one_statement_at_once():
    statement = Statement("select %s", Guard(), wanted=True)
    form = Form(statement)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def add_many():
        for number in range(10_000):
            statement.add((get_ident(), number), form)

    try:
        for thread in [Thread(add_many) for _ in range(4)]:
            thread.outcome(30)
    finally:
        sys.setswitchinterval(interval)
    assert 1 <= len(statement.forms) <= 36  # 32, and one of each thread


def test_a_planner_keeps_no_shelf_alive():
    planner = Planner("shop", PrepareOptions())
    shelf = ref(Shelf(planner, FakeDriver()))
    gc.collect()
    assert shelf() is None
    planner.renew()


def test_what_is_prepared_while_all_is_renewed_is_thought_about_once_more():
    planner = Planner("shop", PrepareOptions(threshold=1))
    shelf = Shelf(planner, FakeDriver())
    conn = SimpleNamespace(_multipool_slot=None)  # as one that was closed
    statement = shelf.find(conn, "select 1").statement
    planner.renew()  # by another thread, between the look and the execution
    assert shelf.be_quick("select 1", statement).statement is statement
    assert "select 1" not in shelf.quick
    shelf.find(conn, "select 1")
    shelf.be_quick("select 1", statement)
    assert "select 1" in shelf.quick


def test_a_thread_may_come_back_to_the_planner_in_the_middle(monkeypatch):
    """As when it collects what has a connection in it."""
    planner = Planner("shop", PrepareOptions(threshold=1))
    for number in range(990):
        planner.meet(f"select {number}")
    left = [f"select {number}" for number in range(1000, 1020)]  # beyond what is remembered

    def collecting():
        if left:
            planner.meet(left.pop())
            planner.renew()
        return Guard()

    monkeypatch.setattr("multipool.plans.planner.Guard", collecting)
    Thread(lambda: planner.meet("select a")).outcome(20)
    assert left == []
    assert "select a" in planner.wordings


def test_what_looks_at_prepared_statements_or_is_data_is_not_prepared_by_itself():
    planner = Planner("shop", PrepareOptions(threshold=1))
    for sql in ("select * from pg_prepared_statements", f"select '{'x' * 20_000}'", "set a to 1"):
        assert planner.meet(sql) is None


@pytest.mark.parametrize(
    ("sql", "prepared"),
    [
        ("select 'now'::timestamptz", False),
        ("select * from bookings where day = date 'Tomorrow'", False),
        ("select timestamp 'today 12:00' + %s", False),
        ("select * from bookings where kind = 'a' and until > now()", True),
        ("select * from bookings where kind = 'knowing'", True),
    ],
)
def test_a_constant_that_is_another_time_each_time_is_not_prepared_by_itself(sql, prepared):
    planner = Planner("shop", PrepareOptions(threshold=1))
    assert (planner.meet(sql) is not None) is prepared
