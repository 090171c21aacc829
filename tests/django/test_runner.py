"""Django's test runner makes and drops its databases, whoever is still connected to them.

The tests that it runs here are those of the project's app: a thread that one of them leaves
behind keeps its connection for ever, and each alias is used.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from support import Thread

from multipool.driver import drivers
from multipool_django.primary import djangos_choice

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("arguments", [(), ("--parallel", "2")], ids=["in turn", "in parallel"])
def test_the_test_runner_makes_and_drops_its_databases(
    manage: Manage, arguments: tuple[str, ...]
) -> None:
    done = manage("test", "--noinput", "-v", "2", *arguments)
    assert "Ran 7 tests" in done.stderr
    assert "OK" in done.stderr
    assert "Destroying test database for alias 'default'" in done.stderr


def test_the_test_runner_drops_its_databases_while_other_aliases_are_connected(
    manage: Manage, database: dict[str, Any]
) -> None:
    databases = {
        "default": database,
        "twin": database,
        "second": {**database, "TEST": {"NAME": f"test_second_{database['NAME']}"}},
        "replica": {**database, "TEST": {"MIRROR": "default"}},
        "shared": {**database, "OPTIONS": {"pool": False}, "TEST": {"MIRROR": "second"}},
    }
    manage("test", "--noinput", databases=databases)


def test_aliases_to_one_database_by_different_engines_share_its_test_database(
    manage: Manage, database: dict[str, Any]
) -> None:
    installed = [name for name in drivers() if find_spec(name)]
    by_driver = {name: {**database, "ENGINE": f"multipool_django.{name}"} for name in installed}
    done = manage("test", "--noinput", "-v", "2", databases={"default": database, **by_driver})
    assert done.stderr.count("Creating test database") == 1


@pytest.mark.parametrize("arguments", [(), ("--parallel", "2")], ids=["in turn", "in parallel"])
@pytest.mark.parametrize("first", ["djangos", "ours"])
def test_aliases_to_one_database_by_djangos_own_engine_and_ours_share_its_test_database(
    manage: Manage, database: dict[str, Any], first: str, arguments: tuple[str, ...]
) -> None:
    """Django's own knows nothing of our pools when it drops it."""
    if djangos_choice() is None:
        pytest.skip("Django's own ENGINE needs psycopg or psycopg2")
    djangos = {**database, "ENGINE": "django.db.backends.postgresql"}
    databases = {"default": djangos, "second": database, "mirror": database}
    if first == "ours":
        databases = {"default": database, "second": djangos, "mirror": djangos}
    databases["mirror"] = {**databases["mirror"], "TEST": {"MIRROR": "default"}}
    done = manage("test", "--noinput", "-v", "2", *arguments, databases=databases)
    assert done.stderr.count("Creating test database") == 1
    assert "accessed by other users" not in done.stderr
    assert "Ran 7 tests" in done.stderr


def test_a_kept_test_database_is_used_again(manage: Manage) -> None:
    manage("test", "--noinput", "--keepdb", "-v", "2")
    done = manage("test", "--noinput", "--keepdb", "-v", "2")
    assert "Using existing test database" in done.stderr
    manage("test", "--noinput")


@pytest.fixture
def template(make_alias: Callable[..., BaseDatabaseWrapper], database: dict[str, Any]) -> Any:
    """The name of a database to copy, with a table ``found``."""
    name = f"{database['NAME']}_template"
    admin = make_alias("admin")
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name}")
    builder = make_alias("builder", NAME=name)
    with builder.cursor() as cursor:
        cursor.execute("create table found ()")
    yield name
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")


def test_a_template_is_copied_though_pools_are_connected_to_it(
    make_alias: Callable[..., BaseDatabaseWrapper],
    template: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection: Any = make_alias(NAME=template, TEST={"TEMPLATE": template})
    monkeypatch.setattr(settings, "DATABASES", {"default": connection.settings_dict})
    connection.ensure_connection()
    Thread(lambda: make_and_close(connection.copy())).outcome()
    creation = connection.creation
    name = creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        assert name == f"test_{template}"
        assert "found" in connection.introspection.table_names()
    finally:
        creation.destroy_test_db(template, verbosity=0)


def make_and_close(connection: BaseDatabaseWrapper) -> None:
    connection.ensure_connection()
    connection.close()
