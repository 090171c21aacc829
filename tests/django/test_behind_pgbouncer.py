"""Behind a PgBouncer that lends its connections by the transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from library.models import Author
from support import Thread

MakeAlias = Callable[..., Any]

MANY = 1000


@pytest.fixture
def pooled(library: Any, make_alias: MakeAlias, pgbouncer: dict[str, str]) -> Any:
    """An alias that leads through PgBouncer, as Django's documentation wants it set."""
    Author.objects.bulk_create(Author(name=f"{number:04}") for number in range(MANY))
    library.close()
    library.close_pool()
    return make_alias(
        HOST=pgbouncer["host"],
        PORT=pgbouncer["port"],
        OPTIONS={"pool": {"max_size": 4, "timeout": 20}},
        DISABLE_SERVER_SIDE_CURSORS=True,
    )


def names(connection: Any) -> list[str]:
    try:
        found = Author.objects.values_list("name", flat=True).iterator(chunk_size=50)
        return list(found)
    finally:
        connections["default"].close()


def test_an_iterator_delivers_every_row_while_others_use_the_pooler(pooled: Any) -> None:
    threads = [Thread(lambda: [names(pooled) for _ in range(5)]) for _ in range(4)]
    expected = [f"{number:04}" for number in range(MANY)]
    for thread in threads:
        assert thread.outcome(60) == [expected] * 5


def test_a_cursor_on_the_server_works_inside_a_transaction(pooled: Any) -> None:
    pooled.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
    with transaction.atomic():
        assert len(list(Author.objects.iterator(chunk_size=50))) == MANY


def test_writes_are_committed_and_errors_stay_with_their_request(pooled: Any) -> None:
    def visit(number: int) -> None:
        try:
            with transaction.atomic():
                Author.objects.create(name=f"new {number}")
                if number % 2:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        finally:
            connections["default"].close()

    threads = [Thread(lambda number=number: visit(number)) for number in range(20)]
    for thread in threads:
        thread.outcome(30)
    assert Author.objects.filter(name__startswith="new").count() == 10
    assert pooled.pool.stats().size <= 4


def test_a_time_zone_holds_on_whatever_server_connection(pooled: Any) -> None:
    pooled.settings_dict["TIME_ZONE"] = "Asia/Tokyo"
    pooled.__dict__.pop("timezone", None)
    pooled.__dict__.pop("timezone_name", None)
    with pooled.cursor() as cursor:
        cursor.execute("show timezone")
        assert cursor.fetchone()[0] == "Asia/Tokyo"
