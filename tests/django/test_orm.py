"""What an application does with the ORM works on each ENGINE."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Avg, Count, F, Q, Value
from django.db.models.functions import Concat, TruncMonth
from django.utils.safestring import mark_safe
from library.models import Author, Book

UTC = dt.UTC


@pytest.fixture(autouse=True)
def _tables(library: BaseDatabaseWrapper) -> None:
    """Give every test the tables."""


@pytest.fixture
def author() -> Author:
    return Author.objects.create(name="Karel Čapek")


def test_rows_are_created_read_updated_and_deleted(author: Author) -> None:
    book = Book.objects.create(author=author, title="R.U.R.")
    assert Book.objects.get(author__name="Karel Čapek").title == "R.U.R."
    assert Book.objects.filter(pk=book.pk).update(copies=F("copies") + 2) == 1
    book.refresh_from_db()
    assert book.copies == 3
    assert author.delete() == (2, {"library.Author": 1, "library.Book": 1})
    assert not Book.objects.exists()


def test_every_field_comes_back_as_the_value_and_type_it_was_saved_with(author: Author) -> None:
    values: dict[str, Any] = {
        "key": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "title": "50 % off: %s \\ 'quoted' \u2603",
        "price": decimal.Decimal("199.90"),
        "copies": 2147483647,
        "printed": dt.date(1920, 11, 25),
        "added": dt.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC),
        "reading_time": dt.timedelta(days=1, hours=2, microseconds=3),
        "in_print": False,
        "weight": 0.1,
        "notes": {"robots": [1, 2.5, None, True, "ú"], "nested": {"a": []}},
        "seen_from": "2001:db8::1",
    }
    Book.objects.create(author=author, cover=b"\x00\xff\\x", **values)
    book = Book.objects.get()
    assert {name: getattr(book, name) for name in values} == values
    assert {name: type(getattr(book, name)) for name in values} == {
        name: type(value) for name, value in values.items()
    }
    assert bytes(book.cover) == b"\x00\xff\\x"


def test_an_integrity_error_is_djangos_and_leaves_the_outer_transaction_usable(
    author: Author,
) -> None:
    Book.objects.create(author=author, title="Krakatit")
    with transaction.atomic():
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            Book.objects.create(author=author, title="Krakatit")
        Book.objects.create(author=author, title="Hordubal")
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.diag.constraint_name == "one_title"  # type: ignore[attr-defined]
    assert Book.objects.count() == 2


def test_a_transaction_that_fails_leaves_nothing_behind(author: Author) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Book.objects.create(author=author, title="Never")
        raise ZeroDivisionError
    assert not Book.objects.exists()


def test_select_for_update_locks_the_row_against_another_connection(
    author: Author, make_alias: Callable[..., BaseDatabaseWrapper]
) -> None:
    make_alias("second")
    with transaction.atomic():
        Author.objects.select_for_update().get(pk=author.pk)
        with transaction.atomic("second"):
            others = Author.objects.using("second").select_for_update(skip_locked=True)
            assert list(others) == []
    with transaction.atomic("second"):
        assert list(others.all()) == [author]


@pytest.mark.parametrize("in_transaction", [False, True])
def test_iterator_reads_all_rows_in_chunks(author: Author, in_transaction: bool) -> None:
    Book.objects.bulk_create(Book(author=author, title=f"{n:04}") for n in range(250))
    wanted = [f"{n:04}" for n in range(250)]

    def titles() -> list[str]:
        return [book.title for book in Book.objects.iterator(chunk_size=40)]

    if in_transaction:
        with transaction.atomic():
            assert titles() == wanted
    else:
        assert titles() == wanted


def test_bulk_create_returns_the_keys_and_bulk_update_takes_expressions(author: Author) -> None:
    books = Book.objects.bulk_create(
        [Book(author=author, title="a"), Book(author=author, title="b")]
    )
    assert None not in [book.pk for book in books]
    for book in books:
        book.title = Concat(Value("new "), F("title"))
    Book.objects.bulk_update(books, ["title"])
    assert list(Book.objects.values_list("title", flat=True)) == ["new a", "new b"]


def test_aggregates_group_by_expressions_with_parameters(author: Author) -> None:
    for month, price in ((1, "10.00"), (1, "20.00"), (2, "60.00")):
        added = dt.datetime(2026, month, 15, tzinfo=UTC)
        Book.objects.create(author=author, title=f"{month} {price}", price=price, added=added)
    rows = (
        Book.objects.annotate(month=TruncMonth("added"), kind=Concat("author__name", Value("!")))
        .values("month", "kind")
        .annotate(books=Count("id"), dear=Count("id", filter=Q(price__gt=15)), mean=Avg("price"))
        .order_by("month")
    )
    assert [(row["kind"], row["books"], row["dear"], row["mean"]) for row in rows] == [
        ("Karel Čapek!", 2, 1, 15),
        ("Karel Čapek!", 1, 1, 60),
    ]


def test_json_is_searched_by_key_and_by_containment(author: Author) -> None:
    Book.objects.create(author=author, title="x", notes={"tags": ["sf", "play"], "year": 1920})
    found = Book.objects.filter
    assert found(notes__year=1920, notes__tags__contains="sf").count() == 1
    assert found(notes__contains={"year": 1921}).count() == 0
    assert found(notes__has_key="tags").values_list("notes__tags__0", flat=True).get() == "sf"


def test_a_hostile_value_is_a_value(author: Author) -> None:
    hostile = "'; drop table library_book; -- \\' %s"
    Author.objects.filter(name=hostile).update(name="x")
    assert not Book.objects.filter(title__icontains=hostile).exists()
    Author.objects.create(name=hostile)
    assert Author.objects.get(name=hostile).name == hostile


def test_a_safe_string_is_saved_as_the_text_it_is(author: Author) -> None:
    author.name = mark_safe("<b>it's</b>")
    author.save()
    author.refresh_from_db()
    assert author.name == "<b>it's</b>"


def test_an_error_in_sql_is_djangos_and_names_the_place(library: BaseDatabaseWrapper) -> None:
    with pytest.raises(ProgrammingError, match='relation "nowhere" does not exist'):
        library.cursor().execute("select * from nowhere where a = %s", ["x"])


def test_the_last_query_is_shown_with_its_parameters(library: BaseDatabaseWrapper) -> None:
    with library.cursor() as cursor:
        cursor.execute("select %s::text", ["O'Hara"])
        shown = library.ops.last_executed_query(cursor, "select %s::text", ["O'Hara"])
    assert "O''Hara" in shown or "O'Hara" in shown
