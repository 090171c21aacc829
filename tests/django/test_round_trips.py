"""How often Django waits for its server, counted on a line with a delay.

Checkout, noticing dead connections, and return are part of what is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from multipool import get_driver
from multipool.testing.proxy import Proxy

MakeAlias = Callable[..., BaseDatabaseWrapper]
Count = Callable[..., int]


@pytest.fixture
def proxy(params: dict[str, str]) -> Iterator[Proxy]:
    with Proxy(params, delay=0.005) as proxy:
        yield proxy


@pytest.fixture
def make_far(make_alias: MakeAlias, proxy: Proxy) -> MakeAlias:
    """Make the alias ``default`` at the other end of the line, an idle connection in its pool."""

    def make(**changes: Any) -> BaseDatabaseWrapper:
        there = {"HOST": proxy.params["host"], "PORT": proxy.params["port"]}
        connection = make_alias(**{**there, "OPTIONS": {"pool": True}, **changes})
        connection.ensure_connection()
        connection.close()
        return connection

    return make


@pytest.fixture
def far(make_far: MakeAlias) -> BaseDatabaseWrapper:
    return make_far()


@pytest.fixture
def count(proxy: Proxy, far: BaseDatabaseWrapper) -> Count:
    """Count the round trips of one request."""

    def count(request: Callable[[], object], connection: BaseDatabaseWrapper = far) -> int:
        before = proxy.round_trips
        request()
        connection.close()
        return proxy.round_trips - before

    return count


def ask(connection: BaseDatabaseWrapper, sql: str = "select 1") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_a_query_is_one(far: BaseDatabaseWrapper, count: Count) -> None:
    assert count(lambda: ask(far)) == 1


@pytest.mark.parametrize(("queries", "trips"), [(0, 0), (1, 2), (3, 4)])
def test_atomic_adds_one_for_its_end(
    far: BaseDatabaseWrapper, count: Count, queries: int, trips: int
) -> None:
    def request() -> None:
        with transaction.atomic():
            for _ in range(queries):
                ask(far)

    assert count(request) == trips


def test_a_request_that_raises_is_as_cheap(far: BaseDatabaseWrapper, count: Count) -> None:
    def request() -> None:
        with pytest.raises(LookupError), transaction.atomic():
            ask(far)
            raise LookupError

    assert count(request) == 2


def test_a_savepoint_may_be_the_first_statement(far: BaseDatabaseWrapper, count: Count) -> None:
    def request() -> None:
        with transaction.atomic(), transaction.atomic():
            ask(far)

    assert count(request) == 4


def test_many_connections_later_it_is_the_same(far: BaseDatabaseWrapper, count: Count) -> None:
    assert [count(lambda: ask(far)) for _ in range(5)] == [1] * 5


def test_prepared_it_is_the_same(far: Any, count: Count) -> None:
    sql = "select %s::integer"

    def request() -> None:
        with far.cursor() as cursor:
            cursor.execute(sql, [1])
            assert cursor.fetchone() == (1,)

    def atomic_request() -> None:
        with transaction.atomic():
            request()

    far.pool.prepare(sql)
    request()  # with which it is prepared
    assert count(request) == 1
    assert count(atomic_request) == 2
    assert far.pool.plans()[0].calls == 3


def test_idle_for_long_it_is_the_same(
    make_far: MakeAlias, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the socket costs no round trip, unlike Django's health check."""
    far = make_far(OPTIONS={"pool": {"upkeep": "inline", "check_after": 0}})
    assert count(lambda: ask(far), far) == 1


def test_isolation_level_costs_nothing(make_far: MakeAlias, count: Count) -> None:
    far = make_far(OPTIONS={"isolation_level": 3})

    def request() -> None:
        with transaction.atomic():
            assert "read committed" not in ask(far, "show transaction_isolation")

    assert count(request, far) == 2


def test_values_bound_by_the_server_travel_with_it_too(
    make_far: MakeAlias, count: Count, driver_name: str
) -> None:
    if driver_name == "psycopg2":
        pytest.skip("psycopg2 binds values itself, always")
    far = make_far(OPTIONS={"server_side_binding": True})

    def request() -> None:
        with transaction.atomic(), far.cursor() as cursor:
            cursor.execute("select %s::integer", (1,))
            assert cursor.fetchone() == (1,)

    assert count(request, far) == 2


def test_what_cannot_carry_it_has_a_begin_before_it(far: BaseDatabaseWrapper, count: Count) -> None:
    def request() -> None:
        with transaction.atomic(), far.cursor() as cursor:
            cursor.execute("notify news")

    assert count(request) in (2, 3)  # pg8000 can send anything after a BEGIN


def test_an_error_in_the_first_statement_is_told_and_undone(
    far: BaseDatabaseWrapper, count: Count
) -> None:
    def request() -> None:
        refused = pytest.raises(DatabaseError, match="LINE 1: select nothing\n {15}\\^")
        with refused, transaction.atomic():
            ask(far, "select nothing")

    assert count(request) <= 4
    assert count(lambda: ask(far)) == 1


# -- after a connect ---------------------------------------------------------------------------


@pytest.fixture
def open_far(make_alias: MakeAlias, proxy: Proxy, driver_name: str) -> Callable[..., Any]:
    """Open a connection at the other end of the line.

    Return it, and how many more round trips that took than the driver's own connect.
    """
    driver = get_driver(driver_name)

    def open_far(**options: Any) -> tuple[BaseDatabaseWrapper, int]:
        conn = driver.connect(proxy.params, timeout=10)
        bare = proxy.round_trips
        far = make_alias(
            HOST=proxy.params["host"],
            PORT=proxy.params["port"],
            TIME_ZONE="Asia/Tokyo",
            OPTIONS={"pool": True, **options},
        )
        far.ensure_connection()
        more = proxy.round_trips - 2 * bare
        driver.close(conn)
        return far, more

    return open_far


@pytest.mark.parametrize("options", [{}, {"isolation_level": 3}, {"options": "-c work_mem=1MB"}])
def test_a_new_connection_costs_no_more_than_the_drivers_own(
    open_far: Callable[..., Any], options: dict[str, Any]
) -> None:
    far, more = open_far(**options)
    assert ask(far, "show timezone") == "Asia/Tokyo"
    assert ask(far, "show work_mem") == ("1MB" if "options" in options else "4MB")
    assert more == 0


def test_a_reset_leaves_the_time_zone_that_came_with_the_connect(
    open_far: Callable[..., Any],
) -> None:
    far, _ = open_far()
    with far.cursor() as cursor:
        cursor.execute("set timezone to 'UTC'")
    pool = far.pool
    far.close()
    assert ask(far, "show timezone") == "Asia/Tokyo"
    assert pool.stats().opened == 1
