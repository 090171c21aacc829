"""Django's commands work on each ENGINE."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from multipool.driver import drivers

Manage = Callable[..., subprocess.CompletedProcess[str]]


def test_migrate_and_its_reverse_leave_nothing_to_do(manage: Manage) -> None:
    manage("migrate")
    assert "No planned migration operations" in manage("migrate", "--plan").stdout
    assert "class Book" not in manage("inspectdb", "library_author").stdout
    assert "class LibraryBook" in manage("inspectdb", "library_book").stdout
    manage("migrate", "library", "zero")
    assert "Create model Author" in manage("migrate", "--plan").stdout


def test_the_fleets_roles_must_be_a_list(connection: Any) -> None:
    migration = import_module("multipool_django.fleet.migrations.0001_install")
    with (
        override_settings(MULTIPOOL_FLEET_WRITERS="app"),
        connection.schema_editor() as editor,
        pytest.raises(ImproperlyConfigured, match="MULTIPOOL_FLEET_WRITERS is 'app'; .* a list"),
    ):
        migration.install(None, editor)


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
