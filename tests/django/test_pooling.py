"""``OPTIONS["pool"]``: what it may be, which pool an alias gets, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from support import Thread, until

from multipool import Pool, PoolTimeout, get_driver

MakeAlias = Callable[..., Any]


def ask(connection: BaseDatabaseWrapper, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def pid(connection: BaseDatabaseWrapper) -> int:
    found: int = ask(connection, "select pg_backend_pid()")
    return found


@pytest.mark.parametrize("options", [{}, {"pool": True}, {"pool": {}}, {"pool": {"max_size": 2}}])
def test_a_connection_is_pooled_unless_told_otherwise(
    make_alias: MakeAlias, options: dict[str, Any]
) -> None:
    connection = make_alias(OPTIONS=options)
    first = pid(connection)
    connection.close()
    assert connection.connection is None
    assert pid(connection) == first
    assert connection.pool.stats().opened == 1


def test_a_dict_gives_the_pools_options(make_alias: MakeAlias) -> None:
    config = make_alias(OPTIONS={"pool": {"max_size": 2, "name": "shop"}}).pool.config
    assert (config.name, config.max_size, config.min_size) == ("shop", 2, 0)


def test_false_turns_pooling_off(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": False})
    assert connection.pool is None
    first = pid(connection)
    connection.close()
    assert pid(connection) != first


def test_the_pool_lends_the_drivers_own_connection_in_autocommit(
    make_alias: MakeAlias, driver_name: str
) -> None:
    connection = make_alias()
    connection.ensure_connection()
    lent = connection.connection
    assert connection.pool.driver is get_driver(driver_name)
    modules = {cls.__module__.partition(".")[0] for cls in type(lent).__mro__}
    assert driver_name in modules
    assert not modules & ({"psycopg", "psycopg2", "pg8000"} - {driver_name})
    assert lent.autocommit is True


def test_django_sets_a_connection_up_once_and_not_at_each_checkout(
    make_alias: MakeAlias, driver_name: str
) -> None:
    seen: list[Any] = []
    connection = make_alias(
        OPTIONS={
            "pool": {"configure": seen.append},
            "isolation_level": 3,
            "assume_role": "postgres",
        },
        TIME_ZONE="Asia/Tokyo",
    )
    for _ in range(3):
        assert ask(connection, "show timezone") == "Asia/Tokyo"
        connection.close()
    assert len(seen) == 1
    with transaction.atomic():
        level = ask(connection, "show transaction_isolation")
    assert level == ("repeatable read" if driver_name == "psycopg" else "serializable")
    assert connection.isolation_level == 3


def test_what_a_request_left_open_does_not_reach_the_next(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    first = pid(connection)
    connection.set_autocommit(False)
    ask(connection, "select 1")
    connection.close()
    assert connection.get_autocommit() is True
    assert ask(connection, "select now() = statement_timestamp()") is True
    assert pid(connection) == first


def test_a_connection_closed_inside_atomic_goes_back_and_cannot_be_used_on(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    with pytest.raises(ProgrammingError, match="atomic block"), transaction.atomic():
        connection.close()
        assert connection.pool.stats().used == 0
        ask(connection, "select 1")
    assert ask(connection, "select now() = statement_timestamp()") is True


def test_a_lease_that_somebody_else_ended_is_not_ended_twice(make_alias: MakeAlias) -> None:
    one = make_alias("default", OPTIONS={"pool": {"max_size": 1}})
    one.ensure_connection()
    one.connection.close()
    two = one.copy()
    two.ensure_connection()
    one.close()
    assert pid(two)
    assert two.pool.stats().used == 1
    two.close()


# -- which pool an alias gets ------------------------------------------------------------------


def test_each_alias_has_a_pool_of_its_own(make_alias: MakeAlias) -> None:
    one, two = make_alias("default"), make_alias("second")
    assert one.pool is not two.pool
    assert (one.pool.name, two.pool.name) == ("default", "second")


def test_a_named_pool_lends_its_options_and_is_shared_by_those_that_name_it(
    make_alias: MakeAlias, driver_name: str
) -> None:
    with Pool("host=/nowhere dbname=never", driver=driver_name, max_size=3, name="web") as lender:
        one = make_alias("default", OPTIONS={"pool": "web"})
        two = make_alias("second", OPTIONS={"pool": "web"})
        assert one.pool is two.pool
        assert one.pool is not lender
        assert one.pool.config.max_size == 3
        assert ask(one, "select current_database()") == one.settings_dict["NAME"]
        assert lender.stats().opened == 0


def test_a_pool_is_shared_by_those_that_hold_its_connections_for_different_times(
    make_alias: MakeAlias, driver_name: str
) -> None:
    with Pool("host=/nowhere dbname=never", driver=driver_name, max_size=1, name="web"):
        one = make_alias("default", OPTIONS={"pool": {"shared": "web"}})
        two = make_alias("second", OPTIONS={"pool": {"shared": "web", "hold": "transaction"}})
        assert one.pool is two.pool
        assert one.pool.config.max_size == 1
        # The second gives it back at once, the first at the end of its request.
        pid = ask(two, "select pg_backend_pid()")
        assert ask(one, "select pg_backend_pid()") == pid
        assert one.pool.stats().used == 1


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({"shared": 5}, r"\['shared'\] is 5; it must be the name of a pool"),
        ({"shared": "web", "max_size": 3}, "has 'max_size' beside 'shared'"),
        ({"shared": "nowhere"}, "names the pool 'nowhere', which does not exist"),
        ({"shared": "web", "hold": "ever"}, "must be 'request' or 'transaction'"),
    ],
)
def test_a_dict_that_names_a_pool_has_room_for_hold_alone(
    make_alias: MakeAlias, driver_name: str, pool: Any, says: str
) -> None:
    with Pool("", driver=driver_name, name="web"), pytest.raises(ImproperlyConfigured, match=says):
        ask(make_alias(OPTIONS={"pool": pool}), "select 1")


@pytest.mark.parametrize(
    ("change", "sql"),
    [
        ({"NAME": "postgres"}, "select current_database()"),
        ({"TIME_ZONE": "Asia/Tokyo"}, "show timezone"),
        ({"OPTIONS": {"pool": "web", "assume_role": "pg_monitor"}}, "select current_user"),
        ({"CONN_HEALTH_CHECKS": True}, "select pg_backend_pid()"),
    ],
)
def test_different_targets_never_share_a_pool(
    make_alias: MakeAlias, driver_name: str, change: dict[str, Any], sql: str
) -> None:
    with Pool("host=/nowhere dbname=never", driver=driver_name, name="web"):
        one = make_alias("default", OPTIONS={"pool": "web"})
        two = make_alias("second", **{"OPTIONS": {"pool": "web"}, **change})
        assert ask(one, sql) != ask(two, sql)
        assert one.pool is not two.pool


def test_a_name_changed_under_a_living_alias_leads_to_another_pool(make_alias: MakeAlias) -> None:
    connection = make_alias()
    before = ask(connection, "select current_database()")
    connection.close()
    connection.settings_dict["NAME"] = "postgres"
    assert ask(connection, "select current_database()") == "postgres"
    connection.close()
    connection.settings_dict["NAME"] = before
    assert ask(connection, "select current_database()") == before


def test_an_overridden_time_zone_is_kept_to_the_test(make_alias: MakeAlias) -> None:
    connection = make_alias()
    with override_settings(TIME_ZONE="Africa/Nairobi", USE_TZ=False):
        assert ask(connection, "show timezone") == "Africa/Nairobi"
    assert ask(connection, "show timezone") == "UTC"
    connection.close()
    assert ask(connection, "show timezone") == "UTC"


def test_close_pool_closes_idle_connections_and_the_next_query_opens_a_new_one(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias()
    first = pid(connection)
    pool = connection.pool
    connection.close()
    connection.close_pool()
    assert pool.closed
    other = make_alias("second")
    until(lambda: not ask(other, f"select count(*) from pg_stat_activity where pid = {first}"))
    assert pid(connection) != first


def test_an_alias_that_lends_out_all_says_so_as_an_operational_error_of_django(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 0.05, "name": "tiny"}})
    connection.ensure_connection()

    def wait() -> None:
        with pytest.raises(OperationalError, match=r"'tiny'.*within 0\.05 s") as caught:
            connection.copy().ensure_connection()
        assert isinstance(caught.value.__cause__, PoolTimeout)

    Thread(wait).outcome()


def test_a_persistent_connection_is_given_back_at_the_end_of_the_request(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(CONN_MAX_AGE=600)
    first = pid(connection)
    connection.close_if_unusable_or_obsolete()
    assert connection.connection is None
    assert pid(connection) == first


def test_health_checks_find_a_dead_connection_before_it_is_lent(make_alias: MakeAlias) -> None:
    connection = make_alias(CONN_HEALTH_CHECKS=True)
    killer = make_alias("second")
    first = pid(connection)
    connection.close()
    assert ask(killer, f"select pg_terminate_backend({first}, 5000)") is True
    assert pid(connection) != first


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"OPTIONS": {"pool": {"max_sise": 4}}},
            r"DATABASES\['default'\].*unknown option 'max_sise' .did you mean 'max_size'.*timeout",
        ),
        (
            {"OPTIONS": {"pool": {"max_size": 0}}},
            r"DATABASES\['default'\].*max_size=0: must be an integer of at least 1",
        ),
        (
            {"OPTIONS": {"pool": {"configure": 5}}},
            r"DATABASES\['default'\].*option configure=5: must be a callable that takes one",
        ),
        (
            {"OPTIONS": {"pool": 4}},
            r"DATABASES\['default'\].*is 4; it must be True, False, a dict of options or the name",
        ),
        ({"OPTIONS": {"pool": None}}, r"is None; it must be True, False, a dict"),
        (
            {"OPTIONS": {"pool": "wep"}},
            r"DATABASES\['default'\].*the pool 'wep', which does not exist; known: ",
        ),
        (
            {"OPTIONS": {"pool": {"strict": True}}},
            r"DATABASES\['default'\].*asks for strict=True: .*must be False, or left out",
        ),
        (
            {"OPTIONS": {"pool": True}, "CONN_MAX_AGE": 60},
            r"Pooling doesn't support persistent connections.*'default'",
        ),
        (
            {"OPTIONS": {"pool": {}}, "CONN_MAX_AGE": None},
            r"Pooling doesn't support persistent connections.*'default'",
        ),
        (
            {"OPTIONS": {"isolation_level": -1}},
            r"isolation level -1 .*'default' allows: .*SERIALIZABLE",
        ),
        ({"OPTIONS": {"sslmood": "require"}}, r"DATABASES\['default'\].*'sslmood'.*sslmode"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_what_is_allowed(
    make_alias: MakeAlias, changes: dict[str, Any], message: str
) -> None:
    connection = make_alias(PASSWORD="secret-7", **changes)
    with pytest.raises(ImproperlyConfigured, match=f"(?s){message}") as caught:
        connection.ensure_connection()
    assert "secret-7" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_operational_error_without_the_password(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(HOST="127.0.0.1", PORT="1", PASSWORD="secret-7")
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert "127.0.0.1" in str(caught.value)
    assert "secret-7" not in str(caught.value)
