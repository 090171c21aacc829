"""Comments that tell the server where a statement comes from."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from support import piggybacking

from multipool import Pool, PoolConfigError
from multipool.driver import Driver
from multipool.watch.comments import Comments

HERE = "current_query()"


class Bare:
    """A connection on which nothing is prepared."""

    _multipool_shelf = None


@pytest.fixture
def make_pool(dsn: str, driver: Driver) -> Iterator[Callable[..., Pool]]:
    """Make pools that comment, on each installed driver."""
    made: list[Pool] = []

    def make(driver: Driver = driver, **options: Any) -> Pool:
        made.append(Pool(dsn, driver=driver, **{"max_size": 1, "comments": True, **options}))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def asked(pool: Pool, query: str, *params: Any) -> Any:
    """Return the first value of the first row."""
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute(query, *params)
        return cursor.fetchone()[0]


LINE = asked.__code__.co_firstlineno + 3


def tags(text: str) -> dict[str, str]:
    """Return what a comment at the end of *text* says."""
    comment = re.fullmatch(r".* /\*(.*)\*/;?", text, re.DOTALL)
    assert comment, text
    pairs = [pair.split("=") for pair in comment[1].split(",")]
    assert pairs == sorted(pairs)
    return {unquote(name): unquote(value.strip("'")) for name, value in pairs}


@pytest.mark.parametrize("params", [(), (None,), ((),), (("x",),)])
def test_the_server_sees_the_line_that_executes(make_pool, params: Any) -> None:
    pool = make_pool()
    given = bool(params and params[0])
    seen = asked(pool, f"select {HERE}" + (", %s" if given else ""), *params)
    found = tags(seen)
    assert found["file"].endswith("test_comments.py")
    assert found["line"] == str(LINE)
    assert ("%2F" in seen) == ("/" in found["file"])


def test_a_percent_sign_of_the_users_is_left_alone(make_pool) -> None:
    pool = make_pool(comments={"team": "50% b/c"})
    assert asked(pool, "select '%' || current_query()").startswith("%select")
    seen = asked(pool, "select '%%' || %s || current_query()", ("a",))
    assert seen.startswith("%aselect")
    assert tags(seen)["team"] == "50% b/c"


def test_fixed_tags_are_encoded_so_that_nothing_ends_the_comment(make_pool) -> None:
    pool = make_pool(comments={"app": "it's */ select 1; --", "näme": "ü"})
    found = tags(asked(pool, f"select {HERE}"))
    assert found["app"] == "it's */ select 1; --"
    assert found["näme"] == "ü"


def test_a_statement_that_carries_its_begin_has_its_comment(make_pool, driver: Driver) -> None:
    pool = make_pool(piggybacking(driver))
    with pool.connection() as conn:
        for _ in range(2):
            with conn.cursor() as cursor:
                cursor.execute(f"select {HERE}, %s", ("a",))
                assert tags(cursor.fetchone()[0])["line"]


def test_a_statement_stays_the_same_text_from_the_same_line(make_pool) -> None:
    pool = make_pool()
    assert len({asked(pool, f"select {HERE}") for _ in range(12)}) == 1


def test_drivers_and_the_server_may_prepare_it(make_pool, driver: Driver) -> None:
    pool = make_pool()
    for number in range(12):  # psycopg prepares what it sees five times
        assert asked(pool, "select %s::int", (number,)) == number


def test_what_the_pool_prepares_goes_by_its_own_text(make_pool) -> None:
    pool = make_pool()
    with pool.prepare("select %s::int"):
        for number in range(12):
            assert asked(pool, "select %s::int", (number,)) == number
        assert [plan.state for plan in pool.plans()] == ["prepared"]
        assert tags(asked(pool, f"select {HERE}"))


def test_many_at_once_and_cursors_with_names_have_it_too(make_pool) -> None:
    pool = make_pool()
    with pool.connection() as conn:
        with conn.cursor() as cursor:
            cursor.execute("create temporary table seen (query text, id int)")
            cursor.executemany("insert into seen values (current_query(), %s)", [(1,), (2,)])
            cursor.execute("select query from seen")
            assert all("test_comments.py" in row[0] for row in cursor.fetchall())
        with conn.cursor("named") as cursor:
            cursor.execute("select 1 where %s", (True,))
            assert cursor.fetchall() == [(1,)]


def test_parameters_that_a_users_class_takes_by_another_name_are_some(make_pool) -> None:
    pool = make_pool(comments={"team": "50% b/c"})
    with pool.connection() as conn:
        base: Any = conn.cursor_factory or type(conn.cursor()).__mro__[-2]

        class Mine(base):
            def execute(self, sql: str, args: Any = None) -> Any:
                return super().execute(sql, args)

        conn.cursor_factory = Mine
        cursor = conn.cursor()
        cursor.execute(f"select {HERE}, %s", args=("a",))
        assert tags(cursor.fetchone()[0])["team"] == "50% b/c"


def test_copied_data_are_left_alone(make_pool, driver: Driver) -> None:
    pool = make_pool()
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("create temporary table t (a text)")
        if driver.name == "psycopg":
            with cursor.copy("copy t from stdin") as copy:
                copy.write("a\n")
        else:
            cursor.copy_expert("copy t from stdin", io.StringIO("a\n"))
        cursor.execute("select a from t")
        assert cursor.fetchall() == [("a",)]


def test_several_statements_in_one_text_stay_as_many(make_pool) -> None:
    pool = make_pool()
    assert tags(asked(pool, f"select {HERE};  \n"))


@pytest.mark.parametrize(
    "query",
    ["select 1 -- why", "select 1 /* open", "select 1 /* a */", "select '--'", b"select 1", 7],
)
def test_what_has_a_comment_or_is_no_text_is_left_alone(query: Any) -> None:
    place = (asked.__code__, 0)
    assert Comments({}).amend(Bare, query, place, False) is query


@pytest.mark.parametrize("value", ["yes", 1, {"line": "7"}, {"": "a"}, {"a": 1}, {1: "a"}, None])
def test_other_values_of_the_option_are_refused(make_pool, value: Any) -> None:
    with pytest.raises(PoolConfigError, match=r"option comments=.*: must be False, True, or a"):
        make_pool(comments=value)
