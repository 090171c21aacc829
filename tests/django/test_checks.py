"""``manage.py check`` finds what is wrong with a pooled alias; only ``--database`` connects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pgbouncer as pgbouncers
import pytest
from django.core.checks import Tags, registry, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.signals import connection_created
from django.test import override_settings

from multipool import Pool
from multipool_django import processes
from multipool_django.demand import demand

MakeAlias = Callable[..., Any]


def check() -> list[tuple[str, str, Any]]:
    found = run_checks(tags=["multipool"])
    return [(message.id or "", message.msg, message.obj) for message in found]


def check_database() -> list[tuple[str, str, str]]:
    """Return id, message and hint of what Django's database checks find."""
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [(message.id or "", message.msg, message.hint or "") for message in found]


def test_default_settings_are_in_order(make_alias: MakeAlias) -> None:
    connection = make_alias(HOST="127.0.0.1", PORT="1")
    assert "multipool" in registry.registry.tags_available()
    assert check() == []
    assert connection.connection is None


def test_a_maximum_age_without_effect_is_warned_about(make_alias: MakeAlias) -> None:
    make_alias(CONN_MAX_AGE=600)
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.W001", "DATABASES['default']")
    assert message.startswith("CONN_MAX_AGE=600 has no effect")


def test_options_of_djangos_own_pool_that_mean_nothing_here_are_warned_about(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"num_workers": 3, "open": True, "max_size": 2}})
    found = check()
    assert [(number, where) for number, _, where in found] == [
        ("multipool.W007", "DATABASES['default']")
    ] * 2
    assert found[0][1].startswith("The pool's option 'num_workers' has no effect: ")
    assert connection.pool.config.max_size == 2


def test_the_options_of_another_pool_are_warned_about(make_alias: MakeAlias) -> None:
    make_alias(POOL_OPTIONS={"POOL_SIZE": 10})
    ((number, message, _),) = check()
    assert number == "multipool.W006"
    assert "django-db-connection-pool" in message


def set_tenant(**told: Any) -> None:
    """A receiver that would be wrong where a connection serves many requests."""


def test_receivers_that_expect_each_request_are_warned_about_where_they_see_a_connection_once(
    make_alias: MakeAlias,
) -> None:
    make_alias(OPTIONS={"pool": {"hold": "transaction"}})
    assert check() == []
    connection_created.connect(set_tenant)
    try:
        ((number, message, where),) = check()
        make_alias()
        assert check() == []
    finally:
        connection_created.disconnect(set_tenant)
    assert (number, where) == ("multipool.W008", "DATABASES['default']")
    assert message.endswith(": test_checks.set_tenant.") or ".test_checks.set_tenant." in message


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({"max_sise": 3}, "unknown option 'max_sise'"),
        ({"strict": True}, "asks for strict=True: Django needs the driver's own connections"),
        ({"max_size": -1}, "max_size=-1: must be an integer of at least 1"),
        ("nowhere", "names the pool 'nowhere', which does not exist"),
        (None, "is None; it must be True, False, a dict"),
    ],
)
def test_a_wrong_pool_option_is_an_error(make_alias: MakeAlias, pool: object, says: str) -> None:
    make_alias(OPTIONS={"pool": pool})
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.E001", "DATABASES['default']")
    assert says in message


def test_an_alias_without_a_pool_is_left_alone(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": False}, CONN_MAX_AGE=600)
    assert check() == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sslmood": "require"}, "'sslmood'"),
        ({"isolation_level": -1}, "isolation level -1"),
        ({"server_side_binding": "yes"}, "is 'yes'; it must be True or False"),
    ],
)
def test_a_wrong_connection_option_is_found_before_anything_connects(
    make_alias: MakeAlias, options: dict[str, Any], says: str
) -> None:
    make_alias(OPTIONS=options)
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.E001", "DATABASES['default']")
    assert says in message


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../escape", "America"])
def test_a_time_zone_that_there_is_not_is_an_error(make_alias: MakeAlias, zone: str) -> None:
    make_alias(TIME_ZONE=zone)
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.E001", "DATABASES['default']")
    assert f"there is no TIME_ZONE {zone!r}" in message


def test_a_time_zone_of_an_alias_that_django_refuses_is_an_error(make_alias: MakeAlias) -> None:
    make_alias(TIME_ZONE="Europe/Prague")
    with override_settings(USE_TZ=False):
        ((number, message, _),) = check()
    assert number == "multipool.E001"
    assert "cannot set TIME_ZONE because USE_TZ is False" in message


def test_an_explicit_pool_with_a_maximum_age_is_an_error_as_with_djangos_pool(
    make_alias: MakeAlias,
) -> None:
    make_alias(OPTIONS={"pool": True}, CONN_MAX_AGE=600)
    ((number, message, _),) = check()
    assert number == "multipool.E001"
    assert message.startswith("Pooling doesn't support persistent connections.")


def test_a_missing_driver_or_engine_of_a_second_alias_is_told_without_any_installed_app(
    manage: Callable[..., Any], database: dict[str, Any], driver_name: str
) -> None:
    other = {"psycopg2": "psycopg"}.get(driver_name, "psycopg2")
    # By tag, since some of Django's own checks open every alias and end with the first error.
    done = manage(
        "check",
        "--tag",
        "multipool",
        databases={
            "default": database,
            "other": {**database, "ENGINE": f"multipool_django.{other}"},
        },
        without=[other],
        status=1,
    )
    assert "DATABASES['other']: (multipool.E002)" in done.stderr
    assert f'pip install "multipool[{other}]"' in done.stderr
    assert "multipool has the ENGINEs multipool_django.psycopg2, multipool_django.pg8000" in (
        done.stderr
    )


@pytest.mark.parametrize("apps", [[], ["multipool_django"]])
@pytest.mark.parametrize("others", [[], ["default"]])
@pytest.mark.parametrize("engine", ["multipool_django.psycopg3", "multipool_django"])
def test_an_engine_that_there_is_not_is_refused_at_once(
    manage: Callable[..., Any],
    database: dict[str, Any],
    apps: list[str],
    others: list[str],
    engine: str,
) -> None:
    typo = {**database, "ENGINE": engine}
    databases = {"default": typo, **dict.fromkeys(others, database), "typo": typo}
    done = manage("check", databases=databases, apps=apps, status=1)
    alias = "typo" if others else "default"
    said = f"DATABASES['{alias}']: there is no ENGINE '{engine}'"
    assert said in done.stderr
    assert ("(did you mean" in done.stderr) is ("psycopg3" in engine)
    assert ", multipool_django.psycopg, multipool_django.postgis.psycopg2" in done.stderr


def test_an_alias_with_none_for_its_engine_is_nobody_s(
    manage: Callable[..., Any], database: dict[str, Any]
) -> None:
    databases = {"default": database, "unset": {"ENGINE": None}}
    done = manage("check", databases=databases, apps=["multipool_django"])
    assert "no issues" in done.stdout


# -- the number of processes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "variable", "number"),
    [(None, None, 1), (None, "", 1), (None, "4", 4), (3, "4", 3)],
)
def test_processes_are_counted_by_the_setting_else_by_web_concurrency(
    monkeypatch: pytest.MonkeyPatch, setting: int | None, variable: str | None, number: int
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if variable is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", variable)
    with override_settings(MULTIPOOL_PROCESSES=setting):
        assert processes.count() == number


@pytest.mark.parametrize("setting", [0, "4", True, 2.5])
def test_a_number_of_processes_that_is_none_is_an_error(
    make_alias: MakeAlias, setting: object
) -> None:
    make_alias()
    with override_settings(MULTIPOOL_PROCESSES=setting):
        ((number, message, _),) = check()
    assert number == "multipool.E003"
    assert message == f"MULTIPOOL_PROCESSES={setting!r}: must be an integer of at least 1"


def test_a_wrong_variable_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    with pytest.raises(ImproperlyConfigured, match="WEB_CONCURRENCY='many' in the environment"):
        processes.count()


# -- what the server is asked ------------------------------------------------------------------


def test_pools_that_may_open_more_than_the_server_accepts_are_warned_about(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 30, "name": "shop"}})
    with connection.cursor() as cursor:
        cursor.execute("show max_connections")
        limit = int(cursor.fetchone()[0])
    with override_settings(MULTIPOOL_PROCESSES=limit // 30):
        fits = check_database()
    with override_settings(MULTIPOOL_PROCESSES=limit // 30 + 1):
        ((number, message, hint),) = check_database()
    assert fits == []
    assert number == "multipool.W002"
    assert message.startswith(
        "The pools on this server ('default') may open 30 connections in each of"
        f" {limit // 30 + 1} processes"
    )
    assert f"max_connections={limit}" in message
    assert "MULTIPOOL_PROCESSES" in hint


def test_a_pool_without_a_bound_is_more_than_any_server_accepts(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": {"max_size": "unlimited"}})
    ((number, message, _),) = check_database()
    assert number == "multipool.W002"
    assert "may open any number of connections; it accepts" in message


def test_the_pools_of_all_aliases_on_a_server_count_and_a_shared_one_counts_once(
    make_alias: MakeAlias, driver_name: str
) -> None:
    many = {"pool": {"max_size": 60}}
    make_alias("default", OPTIONS=many)
    assert check_database() == []
    make_alias("elsewhere", HOST="127.0.0.1", PORT="1", OPTIONS=many)
    make_alias("wrong", OPTIONS={"pool": {"max_sise": 60}})
    assert check_database() == []
    make_alias("second", OPTIONS=many)
    ((number, message, _),) = check_database()
    assert number == "multipool.W002"
    assert "('default', 'second') may open 120 connections; it accepts" in message
    with Pool("", driver=driver_name, max_size=60, name="web"):
        make_alias("default", OPTIONS={"pool": "web"})
        make_alias("second", OPTIONS={"pool": "web"})
        assert check_database() == []
        make_alias("second", OPTIONS={"pool": {"shared": "web", "hold": "transaction"}})
        assert check_database() == []


def test_a_server_is_the_same_however_its_port_is_written(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPORT", raising=False)
    monkeypatch.setenv("PGHOST", "db")
    make_alias("default", HOST="db", PORT="")
    make_alias("second", HOST="", PORT=5432)
    make_alias("third", HOST="db", PORT="5433")
    found = demand(connections["default"].settings_dict, 1)
    assert found.aliases == ["default", "second"]


def test_what_shares_a_budget_counts_as_that_whatever_the_number_of_processes(
    make_alias: MakeAlias,
) -> None:
    budgeted = {"max_size": 60, "budget": 50}
    with override_settings(MULTIPOOL_PROCESSES=32):
        make_alias("default", OPTIONS={"pool": {"max_size": 1}})
        make_alias("second", OPTIONS={"pool": budgeted})
        make_alias("third", OPTIONS={"pool": {**budgeted, "budget": "auto"}})
        # The same budget, though more was asked for.
        make_alias("fourth", OPTIONS={"pool": {**budgeted, "budget": 70}})
        assert check_database() == []
        make_alias("fifth", OPTIONS={"pool": {**budgeted, "fleet": {"app": "other"}}})
        ((number, message, _),) = check_database()
        assert number == "multipool.W002"
        assert (
            "may open 1 connections in each of 32 processes and 100 connections by budget in all"
            " processes together; it accepts" in message
        )
        make_alias("fifth", OPTIONS={"pool": {"budget": "auto", "fleet": {"app": "other"}}})
        assert check_database() == []


def test_a_budget_that_the_pools_cannot_use_up_counts_as_what_they_can(
    make_alias: MakeAlias,
) -> None:
    make_alias("default", OPTIONS={"pool": {"max_size": 1}})
    make_alias("second", OPTIONS={"pool": {"max_size": 2, "budget": 1000}})
    assert check_database() == []
    with override_settings(MULTIPOOL_PROCESSES=1000):
        ((_, message, _),) = check_database()
    assert "may open 1 connections in each of 1000 processes and 1000 connections by" in message


def test_a_role_assumed_behind_a_pooler_is_warned_about(
    make_alias: MakeAlias, params: dict[str, str], pgbouncer_program: str
) -> None:
    # One of its own: the role stays on its connections, which is what the warning is about.
    with pgbouncers.running(pgbouncer_program, params) as pooler:
        make_alias(
            HOST=pooler["host"],
            PORT=pooler["port"],
            OPTIONS={"assume_role": "pg_monitor"},
            DISABLE_SERVER_SIDE_CURSORS=True,
        )
        ((number, _, hint),) = check_database()
    assert number == "multipool.W003"
    assert "ALTER ROLE" in hint


def test_server_side_cursors_behind_a_pooler_are_warned_about(
    make_alias: MakeAlias, pgbouncer: dict[str, str]
) -> None:
    make_alias(HOST=pgbouncer["host"], PORT=pgbouncer["port"])
    ((number, _, hint),) = check_database()
    assert number == "multipool.W004"
    assert "DISABLE_SERVER_SIDE_CURSORS" in hint


def test_behind_a_pooler_the_servers_limits_are_the_poolers_business(
    make_alias: MakeAlias, pgbouncer: dict[str, str]
) -> None:
    make_alias(
        HOST=pgbouncer["host"],
        PORT=pgbouncer["port"],
        OPTIONS={"pool": {"max_size": 10_000}},
        DISABLE_SERVER_SIDE_CURSORS=True,
    )
    assert check_database() == []


def test_a_role_assumed_on_the_server_itself_is_in_order(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"assume_role": "pg_monitor"})
    assert check_database() == []


def test_without_a_pool_the_server_is_not_asked(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": False})
    assert check_database() == []
    assert connection.connection is None
