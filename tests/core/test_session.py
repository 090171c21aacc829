"""Which statements leave something behind in a session."""

from types import SimpleNamespace

import pytest

from multipool.session import (
    carries_begin,
    innocent,
    note_names,
    read_configured,
    reset_sql,
    touches,
)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "  SELECT %s",
        "-- a comment with set in it\nselect 1",
        "/* set role */ select 1",
        "select 1 /*file='advisory%2Fdblink.py',line='3'*/",
        "select 1 /*file='temp.py',line='3',team='set_config'*/;",
        "(select 1) union (select 2)",
        "update t set x = %s",
        "insert into t values (1);",
        "with x as (select 1) select * from x",
        "begin",
        "savepoint s",
        "create table t (x int)",
        "explain select 1",
        "",
    ],
)
def test_a_statement_that_ends_with_its_transaction_does_not_touch(sql):
    assert not touches(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "set role clerk",
        "SET TIME ZONE 'UTC'",
        "/* x */ set search_path to y",
        "select pg_advisory_lock(1) /*file='views.py',line='3'*/",
        "select '/*', set_config('a', 'b', false) /*file='views.py',line='3'*/",
        "select 1 /*file='views.py',line='3'*/; set role clerk",
        "reset all",
        "listen news",
        "prepare p as select 1",
        "declare c cursor with hold for select 1",
        "declare c cursor with -- comment\n hold for select 1",
        "declare c cursor with/* comment */hold for select 1",
        "select set_limit(0.5)",
        """select U&"set\\005fconfig"('role', 'clerk', false)""",
        "create temporary table t (x int)",
        "create temp view v as select 1",
        "create table pg_temp.t (x int)",
        "select 1 into temp t",
        "select pg_advisory_lock(1)",
        "select set_config('role', 'clerk', false)",
        "select 1; set role clerk",
        "do $$ begin end $$",
        "call p()",
        "copy t to stdout",
        "load 'x'",
        "discard temp",
        "set" + " " * 3000 + "role clerk",
        "%s",
        "/* a /* b */ select */ set role x",
    ],
)
def test_a_statement_that_may_leave_something_behind_touches(sql):
    assert touches(sql)


def test_a_configured_value_is_set_again_as_one_literal():
    sql = reset_sql([("search_path", "'; drop table x; --\\")])
    assert sql.endswith(
        r"; select pg_catalog.set_config(E'search_path', E'''; drop table x; --\\', false)"
    )


def test_what_was_configured_is_listened_to_and_prepared_again():
    sql = reset_sql([("listen", 'a"b'), ("prepare", "prepare p as select 1")])
    assert sql.endswith("""; listen "a""b"; do E'begin execute E''prepare p as select 1''; end'""")


def test_a_text_of_several_statements_is_not_executed_again_for_what_one_of_them_prepared():
    assert reset_sql([("prepare", "drop table t; prepare p as select 1")]) == reset_sql([])


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("set app.tenant to 'x'", {"app.tenant"}),
        ("select set_config('app.user.name', %s, false)", {"app.user.name"}),
        ('set "App"."mode" to on', {"App.mode"}),
        ("set search_path to x; set a.b = 1.5; set c.d=e", {"a.b", "c.d"}),
        ("set work_mem to 5", set()),
    ],
)
def test_settings_of_one_s_own_are_asked_for_by_the_names_that_stand_in_the_text(sql, names):
    conn = SimpleNamespace(_multipool_noting=True, _multipool_named=frozenset())
    note_names(conn, sql)
    assert conn._multipool_named == names
    assert all(f"E'{name}'" in read_configured(conn) for name in names)


def test_names_are_noted_only_while_a_connection_is_set_up():
    conn = SimpleNamespace(_multipool_noting=False, _multipool_named=frozenset())
    note_names(conn, "set app.tenant to 'x'")
    assert "app.tenant" not in read_configured(conn)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "\n  -- a comment\n  UPDATE t set x = %s;\n",
        "with x as (select 1) select * from x",
        "savepoint s",
        "insert into t values " + "(%s)," * 1000 + "(%s)",
    ],
)
def test_one_statement_that_ends_no_transaction_carries_its_begin(sql):
    assert carries_begin(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "  ",
        "-- nothing else",
        "select 1; select 2",
        "select ';x'",
        "commit",
        "begin",
        "rollback to savepoint s",
        "copy t from stdin",
        "prepare transaction 'x'",
        "vacuum",
        "do $$ begin end $$",
        "%s",
    ],
)
def test_what_is_in_doubt_carries_no_begin(sql):
    assert not carries_begin(sql)


def test_an_update_of_the_view_of_settings_is_a_set():
    assert touches("update pg_settings set setting = %s where name = 'search_path'")


@pytest.mark.parametrize(
    "sql", ["alter role r password 'of_nobodys'", "alter role r password $$of_nobodys$$"]
)
def test_no_text_with_a_literal_is_remembered(sql):
    for _ in range(2):
        assert not touches(sql)
        assert not carries_begin(sql)
        assert not carries_begin(f"select {sql}; x")
    assert not [text for text in innocent if "of_nobodys" in text]
    assert carries_begin("select 'a'")
