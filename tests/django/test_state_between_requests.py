"""What a request leaves in its session does not reach the next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections, transaction
from left_behind import ON_THE_SERVER

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]

# What requests leave most often.
LEFT = (
    "the role",
    "the search path",
    "a setting",
    "a custom setting",
    "the time zone",
    "a temporary table",
    "an advisory lock",
    "LISTEN",
)
PID = "select pg_backend_pid()"


def found(site: Get, sql: str) -> str:
    status, body = site(f"/see/?sql={quote(sql)}")
    assert status == 200
    answer: str = body["found"]
    return answer


@pytest.mark.parametrize("what", LEFT)
def test_the_next_request_on_the_same_connection_does_not_find(what: str, site: Get) -> None:
    leave, see = ON_THE_SERVER[what]
    before, pid = found(site, see), found(site, PID)
    assert site(f"/leave/?sql={quote(leave)}")[0] == 200
    assert found(site, see) == before
    assert found(site, PID) == pid, "the connection was replaced, not reset"


@pytest.mark.parametrize("what", LEFT)
def test_without_a_reset_it_would(what: str, make_alias: MakeAlias) -> None:
    """The proof that the test above can fail."""
    leave, see = ON_THE_SERVER[what]
    connection = make_alias(OPTIONS={"pool": {"max_size": 1, "reset": "never"}})

    def request(sql: str) -> Any:
        with connections["default"].cursor() as cursor:
            cursor.execute(sql)
            answer = cursor.fetchone() if cursor.description else None
        connection.close()
        return answer

    before = request(see)
    request(leave)
    assert request(see) != before


def reverse(value: Any, _: Any) -> Any:
    return value[::-1]


def leave_types(connection: Any) -> None:
    """Register by a cursor, of which no call tells the connection."""
    with connection.cursor() as cursor:
        if connection.driver == "psycopg":
            cursor.connection.adapters.register_loader("int4", Backwards)
        elif connection.driver == "psycopg2":
            from psycopg2.extensions import new_type, register_type

            backwards = new_type((23,), "BACKWARDS", reverse)
            register_type(backwards, cursor.connection)
        else:
            cursor.connection.adapters.register_loader(23, lambda value: value[::-1])


try:
    from psycopg.adapt import Loader
except ImportError:
    pass
else:

    class Backwards(Loader):
        def load(self, data: Any) -> str:
            return bytes(data)[::-1].decode()


def leave_autocommit(connection: Any) -> None:
    connection.connection.autocommit = False


def leave_a_notice(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists no_such_table")
    assert getattr(connection.connection, "notices", True)


def close_by_hand(connection: Any) -> None:
    connection.connection.close()


def put_back_by_hand(connection: Any) -> None:
    connection.pool.putconn(connection.connection)


@pytest.mark.parametrize("give_back", [close_by_hand, put_back_by_hand])
@pytest.mark.parametrize("leave", [leave_types, leave_autocommit])
def test_what_the_driver_keeps_is_put_back_when_the_connection_was_returned_by_hand(
    make_alias: MakeAlias, leave: Callable[[Any], None], give_back: Callable[[Any], None]
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    for _ in range(2):  # the second connects by the shortcut
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        physical = connection.connection
        leave(connection)
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        if not physical.autocommit:
            physical.rollback()
        give_back(connection)
        with connection.pool.connection() as lent:
            assert lent is physical
            assert lent.autocommit
            cursor = lent.cursor()
            cursor.execute("select 12")
            assert tuple(cursor.fetchone()) == (12,)
        connection.close()


@pytest.mark.parametrize("leave", [leave_types, leave_autocommit, leave_a_notice])
def test_what_the_driver_keeps_does_not_reach_the_next_request(
    make_alias: MakeAlias, leave: Callable[[Any], None]
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    connection.ensure_connection()
    physical = connection.connection
    leave(connection)
    connection.close()
    with connection.pool.connection() as lent:
        assert lent is physical
        assert lent.autocommit
    with connection.cursor() as cursor:
        assert connection.connection is physical
        assert not getattr(physical, "notices", None)
        cursor.execute("select 12")
        assert cursor.fetchone() == (12,)
    connection.close()


def test_transactions_leave_nothing_to_clean(make_alias: MakeAlias) -> None:
    connection = make_alias()
    for _ in range(2):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("select 1")
        slot = connection.connection._multipool_slot
        assert not slot.touched
        connection.close()


def test_a_lease_of_somebody_else_s_is_cleaned_though_django_s_are_settled(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    connection.ensure_connection()
    connection.close()
    with connection.pool.connection() as physical:
        physical.autocommit = False
    connection.ensure_connection()
    assert connection.connection is physical
    assert physical.autocommit
    connection.close()
