"""Querysets may be prepared, and Django sees nothing of it but the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from library.models import Author, Book

from multipool import PoolConfigError

MakeAlias = Callable[..., BaseDatabaseWrapper]


@pytest.fixture(autouse=True)
def _books(library: BaseDatabaseWrapper) -> None:
    """Give every test an author and some books."""
    author = Author.objects.create(name="Karel Čapek")
    Book.objects.bulk_create(Book(author=author, title=f"Volume {n}") for n in range(6))


def by_title(title: str) -> QuerySet[Book]:
    return Book.objects.select_related("author").filter(title=title)


def prepared_on(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_prepared_statements where name like 'multipool%'")
        number: int = cursor.fetchone()[0]
        return number


def test_a_queryset_is_prepared_whatever_its_values(library: Any) -> None:
    library.pool.prepare(by_title("x"))
    for number in range(6):
        (book,) = by_title(f"Volume {number}")
        assert (book.title, book.author.name) == (f"Volume {number}", "Karel Čapek")
    (plan,) = library.pool.plans()
    assert plan.calls == 6
    assert prepared_on(library) == 1


def test_preparing_does_not_evaluate_or_change_the_queryset(library: Any) -> None:
    books = by_title("Volume 1")
    with CaptureQueriesContext(library) as queries:
        library.pool.prepare(books)
    assert len(queries) == 0
    assert len(books) == 1


def test_a_view_may_ask_for_it_as_a_decorator(library: Any) -> None:
    @library.pool.prepare(by_title(""))
    def view(title: str) -> int:
        return len(by_title(title))

    assert view("Volume 1") == 1
    assert len(by_title("Volume 2")) == 1
    (plan,) = library.pool.plans()
    assert (plan.calls, plan.unprepared_calls) == (1, 1)


def test_the_pages_of_a_list_share_one_plan(library: Any) -> None:
    library.pool.prepare(Book.objects.order_by("pk")[:2], limits=True)
    titles = [
        [book.title for book in Book.objects.order_by("pk")[start : start + 2]]
        for start in (0, 2, 4)
    ]
    assert titles == [[f"Volume {n}", f"Volume {n + 1}"] for n in (0, 2, 4)]
    (plan,) = library.pool.plans()
    assert plan.calls == 3
    assert prepared_on(library) == 1


def test_it_lasts_from_request_to_request_and_inside_atomic(library: Any) -> None:
    library.pool.prepare(by_title(""))
    for number in range(5):
        with transaction.atomic():
            assert len(by_title(f"Volume {number}")) == 1
        connections.close_all()
    (plan,) = library.pool.plans()
    assert plan.calls == 5


def test_the_log_of_queries_shows_what_was_asked_for(library: Any) -> None:
    library.pool.prepare(by_title(""))
    with CaptureQueriesContext(library) as queries:
        for _ in range(2):
            list(by_title("Volume 3"))
    for query in queries.captured_queries:
        assert "Volume 3" in query["sql"]
        assert query["sql"].startswith("SELECT")


def test_an_error_in_atomic_is_the_error_that_django_knows(library: Any) -> None:
    sql = "select 1 / %s"
    library.pool.prepare(sql)
    for _ in range(2):
        with pytest.raises(DatabaseError, match="zero"), transaction.atomic():
            library.cursor().execute(sql, [0])
    with library.cursor() as cursor:
        cursor.execute(sql, [1])
        assert cursor.fetchone() == (1,)


def test_raw_querysets_are_taken_too(library: Any) -> None:
    sql = "select * from library_book where title = %s"
    library.pool.prepare(Book.objects.raw(sql))
    assert len(list(Book.objects.raw(sql, ["Volume 1"]))) == 1
    assert library.pool.plans()[0].calls == 1


def test_statements_are_prepared_by_themselves_as_the_settings_say(
    library: Any, make_alias: MakeAlias
) -> None:
    library.close()
    library.close_pool()  # which was made without
    alias: Any = make_alias(OPTIONS={"pool": {"prepare": {"threshold": 2, "max": 10}}})
    for number in range(5):
        assert len(by_title(f"Volume {number}")) == 1
    plan = next(plan for plan in alias.pool.plans() if "library_book" in plan.sql)
    assert (plan.calls, plan.unprepared_calls) == (3, 2)


def test_what_is_no_query_is_refused_with_what_is(library: Any) -> None:
    refusal = "'default': .* type Book; allowed: QuerySet or RawQuerySet or str"
    with pytest.raises(PoolConfigError, match=refusal):
        library.pool.prepare(Book())
