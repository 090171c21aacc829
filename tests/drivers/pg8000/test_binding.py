"""Which way a statement goes is told from its text and values alone."""

from __future__ import annotations

import pytest

from multipool.placeholders import PlaceholderError, read
from multipool_pg8000.binding import bind, merge
from multipool_pg8000.defaults import adapters

BOUND = b"P"
INLINED = b"Q"


def way(text, *values, binding="server"):
    """Return how *text* is sent, and the text that the server sees."""
    statement = read(text, False)
    prepared = bind(statement, [adapters.dump(value) for value in values], binding, "utf-8")
    return prepared.message[:1], prepared.text


@pytest.mark.parametrize(
    "text",
    [
        "select %s",
        "  SELECT %s",
        "-- a comment\n/* and /* another */ */ insert into t values (%s)",
        "(select %s) union (select 1)",
        "with x as (select 1) select %s",
        "explain select %s",
        "declare c cursor for select %s",
        "select %s;",
        "select %s ; -- nothing more",
        "select ';' || %s",
        'select ";", $$;$$, $a$;$a$ /* ; */ from t where x = %s',
    ],
)
def test_a_single_query_or_change_is_bound(text):
    assert way(text, "a")[0] == BOUND


@pytest.mark.parametrize(
    "text",
    [
        "set time zone %s",
        "create table t (x text default %s)",
        "alter role r password %s",
        "select %s; select 2",
        "insert into t values (%s); delete from t",
        "call p(%s)",
        "notify x, %s",
        "copy (select %s) to stdout",
    ],
)
def test_a_utility_statement_and_several_statements_are_inlined(text):
    assert way(text, "a") == (INLINED, text.replace("%s", "'a'"))


def test_a_placeholder_inside_quotes_is_written_there_as_psycopg2_does():
    assert way("select '%s'", 5) == (INLINED, "select '5'")
    assert way("select $q$ %s $q$", 5) == (INLINED, "select $q$ 5 $q$")


def test_client_binding_inlines_everything():
    assert way("select %s", "a", binding="client") == (INLINED, "select 'a'")


def test_null_stands_in_the_text_of_a_bound_statement():
    assert way("select %s, %s", None, 1) == (BOUND, "select NULL, $1")


def test_a_tuple_stands_in_the_text_for_in():
    assert way("select 1 where %s in %s", 1, (1, "b")) == (BOUND, "select 1 where $1 in (1, 'b')")


def test_a_value_asked_only_whether_it_is_null_stands_in_the_text():
    assert way("select %s is not null, %s", "a", "b") == (BOUND, "select 'a' is not null, $1")


@pytest.mark.parametrize(
    "kind",
    [
        *("interval", "date", "TIMESTAMP  with time zone", "time", "uuid", "jsonb", "numeric"),
        *("timestamp(0)", "numeric (3, 2)", "timestamp(0) without time zone", "pg_catalog.text"),
        *("double precision", "character varying", "int4range", "datemultirange", "regclass"),
    ],
)
def test_a_value_after_a_types_name_stands_in_the_text(kind):
    assert way(f"select {kind} %s, %s", "a", "b")[1] == f"select {kind} 'a', $1"
    assert way("select current_date, update %s", "a")[1] == "select current_date, update $1"


def test_a_value_after_a_name_that_is_only_like_a_types_is_bound():
    assert way("select 1 where my_text = %s", "a")[1] == "select 1 where my_text = $1"
    assert way("select a_date %s", "a")[1] == "select a_date $1"
    assert way("select %s::interval(2), %s::interval", "a", "b")[1].startswith("select $1::")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("select x is %s, x IS NOT %s", "select x is 5, x IS NOT 5"),
        ("select x is distinct from %s", "select x is distinct from $1"),
        ("select extract(%s from %s)", "select extract(5 from $1)"),
        ("select %s::interval day, %s", "select 5::interval day, $1"),
        ("select cast(%s as interval hour)", "select cast(5 as interval hour)"),
    ],
)
def test_a_value_where_the_grammar_wants_a_literal_stands_in_the_text(text, seen):
    assert way(text, *[5] * text.count("%s")) == (BOUND, seen)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("select a, b from t order by %s limit %s", "order by 1 limit $1"),
        (
            "select a from t order by a, %s desc, %s nulls first",
            "order by a, 1 desc, 2 nulls first",
        ),
        ("select a from t group by %s order by %s", "group by 1 order by 2"),
        ("select a from t order by f(a, %s), %s", "order by f(a, $1), 2"),
        ("select a from t order by concat(a, %s), %s;", "order by concat(a, $1), 2;"),
        ("select a from t order by ')', %s + 1, %s", "order by ')', $1 + 1, 2"),
        ("select a from t order by array[%s, 0], b || %s", "order by array[$1, 0], b || $2"),
        ("select array_agg(a order by a), %s, (0, %s)", "order by a), $1, (0, $2)"),
        (
            "select a from t order by rank() over (order by b, (%s)), %s",
            "order by rank() over (order by b, (1)), 2",
        ),
    ],
)
def test_a_value_that_is_an_item_of_order_by_or_group_by_stands_in_the_text(text, seen):
    kind, sent = way(text, *range(1, 1 + text.count("%s")))
    assert kind == BOUND
    assert sent.endswith(seen)


def test_a_text_in_a_call_that_takes_any_type_stands_in_the_text():
    assert way("select concat(%s, %s)", "a", 1) == (BOUND, "select concat('a', $1)")
    assert way("select count(*) from t where x = %s", "a")[1].endswith("x = $1")


def test_equal_values_under_group_by_are_one_expression_for_the_server():
    text = "select x + %s, %s from t group by x + %s"
    assert way(text, 1, 2, 1) == (BOUND, "select x + 1, $1 from t group by x + 1")


def test_is_distinct_from_compares_no_expressions():
    text = "select 1 where %s is not distinct from %s"
    assert way(text, 1, 1)[1] == "select 1 where $1 is not distinct from $2"


def test_a_number_does_not_grow_together_with_the_word_before_it():
    assert way("select 1 limit%s", 1)[1] == "select 1 limit $1"


def test_more_values_than_the_protocol_counts_are_inlined():
    text = "select 1 where 0 in (" + ",".join(["%s"] * 65536) + ")"
    assert way(text, *range(65536))[0] == INLINED
    assert way(text.replace("%s,", "", 1), *range(65535))[0] == BOUND


def test_percent_signs_are_doubled_where_parameters_are_given():
    statement = read("select '100%%', %(a)s, %(b)s, %(a)s", False)
    values = [adapters.dump(value) for value in statement.pick({"a": 1, "b": 2})]
    assert merge(statement, values) == "select '100%', 1, 2, 1"


@pytest.mark.parametrize("text", ["select %d", "select 5 % 3", "select %(a)d", "like 'a%'"])
def test_any_other_percent_sign_is_refused(text):
    with pytest.raises(PlaceholderError, match="only %s"):
        read(text, False)


@pytest.mark.parametrize(
    ("text", "params", "says"),
    [
        ("select %s", [], "1 placeholders, but 0 parameters"),
        ("select 1", [1], "0 placeholders, but 1 parameters"),
        ("select %s", {"a": 1}, "a mapping"),
        ("select %(a)s", [1], "a sequence"),
        ("select %(a)s", {"b": 1}, "'a'"),
        ("select %(a)s, %s", {"a": 1}, "mixed"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(text, params, says):
    with pytest.raises(PlaceholderError, match=says):
        read(text, False).pick(params)


def test_a_single_string_is_not_taken_for_a_sequence():
    with pytest.raises(TypeError, match="not str"):
        read("select %s", False).pick("a")


def test_backslashes_hide_a_quote_where_they_escape():
    text = r"select '\'; ' || %s"
    assert not read(text, True).several
    assert read(r"select e'\'; ' || %s", False).several is False


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("select E'a'\n'\\';b'", False),
        ("select e'a' -- it's\r\n  -- isn't it\n\t'\\';b' \n 'c\\';d'", False),
        ("select E'a'\n'\\''; select 1", True),
        ("select E'a';\n select '\\';select 2", True),
        ("select 'a'\n'\\'; select 1", True),
        ("select E'a' /*\n*/, '\\'; select 1", True),
    ],
)
def test_an_escaping_literal_goes_on_behind_a_line(text, several, conn):
    assert read(text, False).several is several
    cursor = conn.cursor()
    cursor.execute(text)  # of several the last one's result stays
    [(value,)] = cursor.fetchall()
    assert (value in (1, 2)) is several


@pytest.mark.parametrize("text", [r"select '%s\'', 1", r"select '\'%s', 1", r"select 'a''%s\'"])
def test_a_placeholder_is_inside_a_quote_wherever_backslashes_escape(text):
    assert read(text, True).quoted


def test_what_stands_behind_a_quote_that_is_never_closed_is_inside_it():
    statement = read("select 'a''; %s", False)
    assert statement.quoted
    assert statement.several  # to who takes the second quote for the end, it is


def test_a_long_blank_behind_an_escaping_literal_takes_no_time_to_speak_of():
    blank = " \n" * 20_000
    assert not read(f"select E'a'{blank}, %s", False).several
    assert not read(f"select E'a'{'--' * 20_000}, %s", False).several
