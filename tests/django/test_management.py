"""Django's commands work on each ENGINE, and what was set up is dropped again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from multipool.driver import drivers

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("arguments", [(), ("--parallel", "2")], ids=["in turn", "in parallel"])
def test_the_test_runner_makes_and_drops_its_databases(
    manage: Manage, arguments: tuple[str, ...]
) -> None:
    done = manage("test", "--noinput", "-v", "2", *arguments)
    assert "Ran 4 tests" in done.stderr
    assert "OK" in done.stderr
    assert "Destroying test database for alias 'default'" in done.stderr


def test_the_test_runner_drops_its_databases_while_a_second_alias_is_in_use(
    manage: Manage, database: dict[str, Any]
) -> None:
    second = {**database, "TEST": {"NAME": f"test_second_{database['NAME']}"}}
    mirror = {**database, "TEST": {"MIRROR": "default"}}
    manage(
        "test", "--noinput", databases={"default": database, "second": second, "replica": mirror}
    )


def test_a_kept_test_database_is_used_again(manage: Manage) -> None:
    manage("test", "--noinput", "--keepdb", "-v", "2")
    done = manage("test", "--noinput", "--keepdb", "-v", "2")
    assert "Using existing test database" in done.stderr
    manage("test", "--noinput")


def test_migrate_and_its_reverse_leave_nothing_to_do(manage: Manage) -> None:
    manage("migrate")
    assert "No planned migration operations" in manage("migrate", "--plan").stdout
    assert "class Book" not in manage("inspectdb", "library_author").stdout
    assert "class LibraryBook" in manage("inspectdb", "library_book").stdout
    manage("migrate", "library", "zero")
    assert "Create model Author" in manage("migrate", "--plan").stdout


def test_one_process_has_connections_of_all_installed_drivers(
    manage: Manage, database: dict[str, Any]
) -> None:
    installed = [name for name in drivers() if find_spec(name)]
    databases: dict[str, Any] = {"default": {}}
    for name in installed:
        databases[name] = {**database, "ENGINE": f"multipool_django.{name}"}
    script = (
        "from django.db import connections\n"
        "for alias in connections:\n"
        "    if alias != 'default':\n"
        "        with connections[alias].cursor() as cursor:\n"
        "            cursor.execute('select %s::int', [7])\n"
        "            assert cursor.fetchone() == (7,)\n"
        "        lent = connections[alias].connection\n"
        "        print(alias, *{cls.__module__.partition('.')[0] for cls in type(lent).__mro__})\n"
    )
    done = manage("shell", "-v", "0", "-c", script, databases=databases)
    found = {alias: set(modules) for alias, *modules in map(str.split, done.stdout.splitlines())}
    assert found.keys() == set(installed)
    for name, modules in found.items():
        assert modules & {"psycopg", "psycopg2", "pg8000"} == {name}
