"""``manage.py multipool`` tells what the pools look like, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from multipool_django.management.commands.multipool import Command

MakeAlias = Callable[..., Any]
Manage = Callable[..., Any]


def show(*arguments: str) -> str:
    output = StringIO()
    call_command(Command(), *arguments, stdout=output)
    return output.getvalue()


def test_django_finds_it_in_installed_apps(manage: Manage, database: dict[str, Any]) -> None:
    done = manage("multipool", "--database", "default", apps=["multipool_django"])
    head, row = done.stdout.splitlines()
    assert head.split()[:3] == ["alias", "pool", "driver"]
    driver = database["ENGINE"].rpartition(".")[2]
    assert row.split()[:8] == ["default", "default", driver, "1", "1", "0", "0", "10"]
    assert row.endswith("to this database")


def test_it_shows_the_pool_of_this_process_and_all_connections_of_the_server(
    make_alias: MakeAlias, driver_name: str
) -> None:
    other = make_alias("second")
    other.ensure_connection()
    make_alias(OPTIONS={"pool": {"name": "shop", "max_size": 3}})
    (found,) = json.loads(show("status", "--database", "default", "--json"))
    pool, server = found["pool"], found["server"]
    assert (found["alias"], found["error"]) == ("default", None)
    assert (pool["name"], pool["driver"], pool["max_size"]) == ("shop", driver_name, 3)
    assert (pool["size"], pool["idle"], pool["used"]) == (1, 1, 0)
    assert 2 <= server["to_this_database"] <= server["connections"] <= server["max_connections"]


def test_it_takes_no_connection_away_from_who_calls_it(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    with transaction.atomic():
        (found,) = json.loads(show("--json", "--database", "default"))
        assert found["pool"]["used"] == 1
        assert connection.connection is not None


def test_a_pool_without_a_bound_is_called_unlimited(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": {"max_size": "unlimited"}})
    assert "unlimited" in show("--database", "default")


def test_an_alias_that_cannot_be_reached_is_shown_and_is_a_failure(make_alias: MakeAlias) -> None:
    make_alias(HOST="127.0.0.1", PORT="1", PASSWORD="secret-7")
    output = StringIO()
    with pytest.raises(CommandError, match="^not reached: default$"):
        call_command(Command(), "--database", "default", stdout=output)
    assert "not reached\ndefault: " in output.getvalue()
    assert "secret-7" not in output.getvalue()


def test_an_alias_with_wrong_settings_is_shown_and_is_a_failure(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": {"max_sise": 3}})
    output = StringIO()
    with pytest.raises(CommandError):
        call_command(Command(), "--database", "default", "--json", stdout=output)
    (found,) = json.loads(output.getvalue())
    assert (found["pool"], found["server"]) == (None, None)
    assert "max_sise" in found["error"]


def test_without_any_pool_it_says_why(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": False})
    with pytest.raises(CommandError, match=r"no pool: default .*OPTIONS\[\"pool\"\] is False"):
        show("--database", "default")


def test_a_report_that_there_is_not_is_refused_with_those_that_there_are(
    make_alias: MakeAlias,
) -> None:
    make_alias()
    with pytest.raises(CommandError, match="invalid choice: 'stats'.*status"):
        show("stats")
