"""The normaliser: what a statement looks like in a report, and that no literal ever does."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multipool.watch.queries.normaliser import LONGEST, normalise

#: A word that no statement of these tests has outside of its literals.
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "select * from t where id = 7 and name = 'x'",
            "select * from t where id = ? and name = ?",
        ),
        ("select\n\t1,\n  2", "select ?, ?"),
        ("select E'it\\'s', e'\\\\', 'it''s'", "select ?, ?, ?"),
        ("select B'101', x'1F', N'a', U&'d\\0061t' uescape '!'", "select ?, ?, ?, ? uescape ?"),
        ("select $$a$$, $q$ 'b' $$ $q$", "select ?, ?"),
        ("select 1_000, 0xFF, .5, 1e-5, 1.5E+3, -5", "select ?, ?, ?, ?, ?, -?"),
        ("select 'a'\n'b'", "select ? ?"),
        ("select date '2020-01-01', interval'1 day'", "select date ?, interval?"),
        ("/* don't */ select a -- why\nfrom b /* x /* y */ */ ", "select a from b"),
        ("select a /*file='shop%2Fviews.py',line='8'*/", "select a"),
        ("select %s, %(name)s, $1, %%", "select %s, %(name)s, $1, %%"),
        ("select a->>'k' from t where b @> '{}'::jsonb", "select a->>? from t where b @> ?::jsonb"),
        ('select "a b", U&"d\\0061t", "what is this?"', 'select "a b", "?", "?"'),
        ("copy t (a, b) from stdin", "copy t (a, b) from stdin"),
        ("copy t from stdin;", "copy t from stdin;"),
        (
            "copy t from stdin (format csv);\n1,hunter2",
            "copy t from stdin (format csv) <cut: what COPY reads>",
        ),
        ("set app.tenant to alice", "set app.tenant to ?"),
        ('set app.tenant = "alice 555"', "set app.tenant = ?"),
        ('set search_path to "alice", public', "set search_path to ?, ?"),
        (
            "create function f() returns int set app.key = hunter2 as 'x' language sql",
            "create function f() returns int set app.key = ? ? ? ? ?",
        ),
        (
            "set local search_path = alice, 'bob'; select a",
            "set local search_path = ?, ?; select a",
        ),
        ("alter role r set app.tenant = alice", "alter role r set app.tenant = ?"),
        (
            "alter role r password 'hunter2' valid until 'now'",
            "alter role r password ? valid until ?",
        ),
        ("update t set a = b", "update t set a = b"),
        ('SAVEPOINT "s139_x12"', 'SAVEPOINT "s?_x?"'),
        (
            "declare c_12 cursor for select t1.a from t1",
            "declare c_? cursor for select t1.a from t1",
        ),
    ],
)
def test_what_may_be_data_is_a_question_mark_and_the_rest_stays(statement: str, text: str) -> None:
    assert normalise(statement) == text


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("where id in (%s, %s, %s)", "where id in (%s, ...)"),
        ("where id in (%s)", "where id in (%s, ...)"),
        ("where id in (1,2 , 3)", "where id in (?, ...)"),
        ("where id = any(array[1, 2])", "where id = any(array[?, ...])"),
        ("f(%s)", "f(%s)"),
        ("f(a, a)", "f(a, a)"),
        ("f($1::int, $2::int)", "f($1::int, ...)"),
        ("f(%(a)s, null, -5, 'x'::varchar(3), array[1])", "f(%(a)s, ...)"),
        ("values (%s, %s), (%s, %s),(%s, %s)", "values (%s, ...), ..."),
        ("values (1, null), (default, 'a')", "values (?, ...), ..."),
        ("values (-1, 2), (3, 4), (-5, 6)", "values (?, ...), ..."),
        ("values ('2020-01-01'::date, 1), (null, 2)", "values (?, ...), ..."),
        ("values (1), (null), ( -2), (%s)", "values (?), ..."),
        ("values (-1)", "values (?)"),
        ("values (%s, 1), (default, 2)", "values (%s, ...), ..."),
        ("select (-1), (2)", "select (-?), ..."),
        ("values (%s, now()), (%s, now()), (%s, f())", "values (%s, now()), ..., (%s, f())"),
        ("(a, b) in ((1, 2), (3, 4)) and (c)", "(a, b) in ((?, ...), ...) and (c)"),
        ("t (a, b) values (1, 2)", "t (a, b) values (?, ...)"),
    ],
)
def test_lists_of_any_length_come_to_the_same(statement: str, text: str) -> None:
    assert normalise(statement) == text


@pytest.mark.parametrize(
    "statement",
    [
        "select 'O'hunter2', 'b'",
        "select hunter2$$",
        "select hunter2$a$ from t",
        "update t set a = hunter2' where b = ' x",
        "select hunter2 */ a",
        "select hunter2', 'b'",
        "select 'a' from \"t where x = 'hunter2' and y = \"z\"",
        "select 'a\\' hunter2', 'b\\'",
        "select $x$ hunter2",
        "select x$ hunter2 $x$, $x$ b $x$",
        "select $ hunter2 $$",
        "select /* ' */ 'a' hunter2'",
        "select hunter2 -- it's lost",
        "select $$ a$ $$ hunter2 -- b$$",
        'select hunter2 "it\'s lost"',
        "select 'hunter2",
        'select "hunter2',
        "select E'a\\' hunter2",
        "select /* /* */ 'hunter2'",
    ],
)
def test_what_can_be_read_in_two_ways_is_cut_and_says_so(statement: str) -> None:
    text = normalise(statement)
    assert SECRET not in text
    assert re.fullmatch(r"(select|update) <cut: .*>", text)


def test_a_long_text_is_cut_and_its_lists_come_to_the_same_whatever_their_length() -> None:
    rows = ", ".join(["(%s, %s, 'hunter2')"] * LONGEST)
    assert (
        normalise(f"insert into t values {rows}")
        == "insert into t values (%s, ...), ... <cut: long>"
    )
    for numbers in range(LONGEST, LONGEST + 9):
        statement = f"select * from t where id in ({','.join(map(str, range(numbers)))})"
        assert normalise(statement) == "select * from t where id in ( <cut: long>"


HOSTILE = [
    *"""' " '' $$ $a$ $a $1 $ /* */ -- \\ \\' E' e'\\ U&' U&" B' x' ( ) [ ] , ; %s %(a)s % %% : :: ?
    null 1 1.5e-3 .5 0x1F 1a a _ - é""".split(),
    *(f"{word} " for word in ("", "select", "values", "in", "set", "to", "declare", "savepoint")),
    *("\n", "\0", "\x1b[31m", "\u00a0", "\u2018", "\ud800", "\U0001d4b3"),
]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE), max_size=60))
def test_no_text_makes_it_raise_and_what_it_makes_is_fit_to_be_printed(pieces: list[str]) -> None:
    assert normalise("".join(pieces)).isprintable()


@settings(max_examples=500, deadline=None)
@given(st.text())
def test_any_text_at_all_is_read(text: str) -> None:
    assert "'" not in normalise(text)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_is_read_by_its_beginning_alone(piece: str) -> None:
    text = normalise(piece * (1_000_000 // len(piece)))
    assert text.endswith(">")
    assert len(text) < 3 * LONGEST


def quoted(words: str, how: str) -> str:
    """Return a literal that holds *words*, as one might write it in that way."""
    doubled = words.replace("'", "''")
    return {
        "plain": f"'{doubled}'",
        "escaped": "E'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'",
        "dollar": f"$${words.replace('$', '')}$$",
        "tagged": f"$tag${words.replace('$', '')}$tag$",
        "unicode": f"U&'{doubled}'",
        "spread": f"'{doubled}'\n  '{doubled}'",
    }[how]


WORDS = st.lists(
    st.sampled_from(
        [SECRET, "it's", "O'Neill", " ", '"', "--", "/*", "*/", "(", ";", "=", "%", "é"]
    ),
    max_size=6,
).map(lambda words: f"{' '.join(words)} {SECRET}")
LITERALS = st.builds(
    quoted, WORDS, st.sampled_from(["plain", "escaped", "dollar", "tagged", "unicode", "spread"])
)
FILLING = st.sampled_from([
    "select", "from t", "where a =", "and", "in (", ")", ",", "(", "b", '"name"', "/* a note */",
    "-- a note\n", "::text", "%s", "$1", "||", "values", "5",
])  # fmt: skip
STATEMENTS = st.lists(st.one_of(LITERALS, FILLING), min_size=1, max_size=12).map(
    lambda pieces: " ".join(["select", *pieces])
)


@settings(max_examples=2000, deadline=None)
@given(STATEMENTS)
def test_no_literal_is_left_in_a_sound_text(statement: str) -> None:
    assert SECRET not in normalise(statement)


@settings(max_examples=5000, deadline=None)
@given(STATEMENTS, st.data())
@example("select a = 'it''s hunter2', 'b'", None)
def test_no_literal_is_left_where_a_quote_was_lost_or_is_one_too_many(
    statement: str, data: st.DataObject | None
) -> None:
    edges = [match.span() for match in re.finditer(r"['$]", statement)]
    if data is None or not edges:
        return
    start, end = data.draw(st.sampled_from(edges))
    lost = statement[:start] + statement[end:]
    assert SECRET not in normalise(lost), lost
    added = statement[:start] + "'" + statement[start:]
    assert SECRET not in normalise(added), added
