"""What a project's settings may say about a connection, beyond ``OPTIONS["pool"]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections, transaction
from django.db.backends.signals import connection_created

from multipool import Pool
from multipool.driver import drivers
from multipool.testing.server import EmbeddedServer, embedded_server, uri
from multipool_django.binding import NAME, bind_as_asked

MakeAlias = Callable[..., Any]


def ask(connection: Any, sql: str, parameters: list[Any] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def test_a_service_says_where_to_connect(
    make_alias: MakeAlias, params: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text("[shop]\n" + "".join(f"{name}={value}\n" for name, value in params.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    elsewhere = {"HOST": "", "PORT": "", "USER": "", "PASSWORD": "", "NAME": ""}
    connection = make_alias(**elsewhere, OPTIONS={"service": "shop", "pool": True})
    assert ask(connection, "select current_database()") == params["dbname"]


def test_a_role_is_assumed_by_every_connection_of_the_pool(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"assume_role": "pg_monitor", "pool": {"max_size": 2}})
    for _ in range(2):
        assert ask(connection, "select current_user") == "pg_monitor"
        connection.close()


def test_aliases_of_different_isolation_share_no_connection(
    make_alias: MakeAlias, driver_name: str
) -> None:
    shared = {"pool": "web"}
    with Pool("", driver=driver_name, name="web"):
        one = make_alias("default", OPTIONS={**shared, "isolation_level": 2})
        two = make_alias("second", OPTIONS={**shared, "isolation_level": 3})
        assert one.pool is not two.pool
        levels = []
        for alias in ("default", "second"):
            with transaction.atomic(using=alias):
                levels.append(ask(connections[alias], "show transaction_isolation"))
        assert levels[0] != levels[1]


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("theirs", [name for name in drivers() if find_spec(name)])
def test_a_level_of_another_driver_s_enumeration_is_the_one_of_that_name(
    make_alias: MakeAlias, theirs: str, pool: bool
) -> None:
    """As Django's documentation has it imported, before any ENGINE is loaded."""
    theirs_all = import_module(f"multipool_django.{theirs}.psycopg_any").IsolationLevel
    for level in (theirs_all.REPEATABLE_READ, theirs_all.SERIALIZABLE):
        connection = make_alias(OPTIONS={"pool": pool, "isolation_level": level})
        with transaction.atomic():
            said = ask(connection, "show transaction_isolation")
        connection.close()
        assert said.upper().replace(" ", "_") == level.name
        assert connection.isolation_level.name == level.name
        assert connection.settings_dict["OPTIONS"]["isolation_level"] is level


def test_levels_of_equal_numbers_and_different_meaning_share_no_connection(
    make_alias: MakeAlias, driver_name: str
) -> None:
    class Theirs(IntEnum):
        SERIALIZABLE = 1

    shared = {"pool": "web"}
    with Pool("", driver=driver_name, name="web"):
        one = make_alias("default", OPTIONS={**shared, "isolation_level": Theirs.SERIALIZABLE})
        two = make_alias("second", OPTIONS={**shared, "isolation_level": 1})
        assert one.pool is not two.pool


def test_a_url_read_by_dj_database_url_will_do(
    make_alias: MakeAlias, params: dict[str, str], driver_name: str
) -> None:
    library = pytest.importorskip("dj_database_url", reason="pip install dj-database-url")
    url = f"{uri(params)}&application_name=from+the+URL"
    settings = library.parse(url, engine=f"multipool_django.{driver_name}")
    settings["OPTIONS"]["pool"] = {"max_size": 3}
    connection = make_alias(**settings)
    assert ask(connection, "select current_setting('application_name')") == "from the URL"
    assert connection.pool.config.max_size == 3


# -- who puts the parameters in --------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False])
def test_parameters_are_bound_where_the_settings_say(
    make_alias: MakeAlias, driver_name: str, wanted: bool
) -> None:
    if driver_name == "psycopg2" and wanted:
        pytest.skip("psycopg2 can not")
    connection = make_alias(OPTIONS={"server_side_binding": wanted})
    # The server shows what it was sent.
    sent = "select query from pg_stat_activity where pid = pg_backend_pid() and %s <> 'it'"
    assert ("'value'" in ask(connection, sent, ["value"])) is not wanted


@pytest.mark.parametrize(
    ("driver", "options", "says"),
    [
        ("psycopg2", {NAME: True}, "psycopg2 puts parameters in .* allowed: False"),
        ("pg8000", {NAME: True, "binding": "client"}, '"binding" say the same; give one'),
        ("psycopg", {NAME: 1}, "is 1; it must be True or False"),
    ],
)
def test_a_binding_that_cannot_be_is_refused(
    driver: str, options: dict[str, Any], says: str
) -> None:
    where = r'DATABASES\[.default.\]\["OPTIONS"\]\[.server_side_binding.\]'
    with pytest.raises(ImproperlyConfigured, match=f"{where}.*{says}"):
        bind_as_asked(driver, "default", options, {})


# -- passwords that change -------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[EmbeddedServer]:
    """A server that asks the user ``rotating`` for a password."""
    with embedded_server(hba=["local all rotating scram-sha-256"]) as server:
        server.psql("create role rotating login password 'monday'")
        yield server


@pytest.fixture
def rotating(guarded: EmbeddedServer) -> dict[str, Any]:
    """Changes to an alias's settings that lead to that server."""
    params = guarded.params
    return {
        "HOST": params["host"],
        "PORT": params["port"],
        "NAME": params["dbname"],
        "USER": "rotating",
    }


@pytest.mark.parametrize("pool", [{"max_size": 1}, False])
def test_a_password_that_is_a_callable_is_asked_for_each_new_connection(
    make_alias: MakeAlias, guarded: EmbeddedServer, rotating: dict[str, Any], pool: Any
) -> None:
    passwords = ["monday"]
    connection = make_alias(**rotating, PASSWORD=lambda: passwords[-1], OPTIONS={"pool": pool})
    guarded.psql("alter role rotating password 'monday'")
    assert ask(connection, "select current_user") == "rotating"
    guarded.psql("alter role rotating password 'tuesday'")
    passwords.append("tuesday")
    if pool:
        connection.pool.drain()
    connection.close()
    assert ask(connection, "select current_user") == "rotating"


def test_one_callable_is_one_target_so_the_pool_is_the_same(
    make_alias: MakeAlias, rotating: dict[str, Any]
) -> None:
    connection = make_alias(**rotating, PASSWORD=lambda: "monday")
    assert connection.pool is connection.copy().pool


def test_a_wrong_password_from_a_callable_is_an_operational_error_without_it(
    make_alias: MakeAlias, rotating: dict[str, Any]
) -> None:
    connection = make_alias(**rotating, PASSWORD=lambda: "secret-7")
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert "secret-7" not in str(caught.value)


def test_a_password_that_is_no_string_is_refused_without_being_shown(
    make_alias: MakeAlias, rotating: dict[str, Any]
) -> None:
    connection = make_alias(**rotating, PASSWORD=lambda: 1234)
    with pytest.raises(ImproperlyConfigured, match="in PASSWORD returned int; it must") as caught:
        connection.ensure_connection()
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize("pool", [{"max_size": 1}, {"max_size": 1, "hold": "transaction"}, False])
def test_a_token_that_a_subclass_puts_in_as_it_connects_is_asked_for_each_new_connection(
    make_alias: MakeAlias, guarded: EmbeddedServer, rotating: dict[str, Any], pool: Any
) -> None:
    """As many do for RDS with Django's own backend."""
    connection = make_alias(**rotating, PASSWORD="a role's name", OPTIONS={"pool": pool})
    token = ""

    class Wrapper(type(connection)):  # type: ignore[misc]
        def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
            assert conn_params["password"] == "a role's name"
            conn_params["password"] = token
            return super().get_new_connection(conn_params)

    own: Any = Wrapper(connection.settings_dict, "default")
    pools = set()
    for token in ("monday", "tuesday"):
        guarded.psql(f"alter role rotating password '{token}'")
        assert ask(own, "select current_user") == "rotating"
        own.close()
        pools.add(own.pool)
        if own.pool is not None:
            own.pool.drain()
            assert token not in repr(own.pool)
    assert len(pools) == 1
    if own.pool is not None:
        assert own.pool.stats().opened == 2
        own.close_pool()


def test_a_subclass_that_connects_past_the_pool_has_none(
    make_alias: MakeAlias, params: dict[str, str]
) -> None:
    held = {"pool": {"hold": "transaction"}, "application_name": "past the pool"}
    connection = make_alias(OPTIONS=held)
    made = []

    class Wrapper(type(connection)):  # type: ignore[misc]
        def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
            made.append(self.Database.connect(**conn_params))
            return made[-1]

    own: Any = Wrapper(connection.settings_dict, "default")
    for find in (lambda: own.pool, own.ensure_connection):
        with pytest.raises(ImproperlyConfigured, match=r"Wrapper has a get_new_connection that"):
            find()
    assert [bool(one.closed) for one in made] == [True, True]


def test_psql_is_started_with_the_password_that_holds_now(
    make_alias: MakeAlias, rotating: dict[str, Any]
) -> None:
    connection = make_alias(**rotating, PASSWORD=lambda: "monday")
    _, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    assert environment == {"PGPASSWORD": "monday"}


# -- signals, hooks and health ---------------------------------------------------------------


def test_connection_created_comes_with_each_checkout_and_on_connect_with_each_connection(
    make_alias: MakeAlias,
) -> None:
    signals: list[Any] = []
    opened: list[Any] = []

    def created(connection: Any, **kwargs: Any) -> None:
        signals.append(connection.connection)

    alias = make_alias(OPTIONS={"pool": {"max_size": 1, "on_connect": opened.append}})
    connection_created.connect(created)
    try:
        for _ in range(3):
            alias.ensure_connection()
            alias.close()
    finally:
        connection_created.disconnect(created)
    assert len(signals) == 3
    assert opened == [signals[0]]


@pytest.mark.parametrize(("check_after", "queries"), [(60, 0), (0, 2)])
def test_health_checks_ask_the_server_about_a_connection_that_was_idle_for_check_after(
    make_alias: MakeAlias, check_after: float, queries: int
) -> None:
    options = {"max_size": 1, "check_after": check_after}
    connection = make_alias(CONN_HEALTH_CHECKS=True, OPTIONS={"pool": options})
    watcher = make_alias("second")
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    asked = 0
    for _ in range(2):
        ask(connection, "select 'a query of the site'")
        connection.close()
        connection.ensure_connection()
        last = ask(watcher, f"select query from pg_stat_activity where pid = {pid}")
        asked += last == "SELECT 1"
    assert asked == queries
