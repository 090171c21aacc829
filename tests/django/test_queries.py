"""The query report in Django: on by itself, by the lines of the application."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from library.models import Author

from multipool import Pool
from multipool.watch.asking import processes
from multipool_django.management.commands.multipool import Command

MakeAlias = Callable[..., Any]

#: Executes a statement through Django and waits.
ELSEWHERE = """
import sys
import django
from django.conf import settings
from django.db import connection
settings.configure(DATABASES={"default": %r})
django.setup()
with connection.cursor() as cursor:
    cursor.execute("select 'elsewhere', count(*) from pg_class")
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def elsewhere(database: dict[str, Any]) -> Iterator[None]:
    """Have another process execute a statement in *database*, and tell of it to who asks."""
    with subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE % database],
        env={**os.environ, "MULTIPOOL_TOP": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "ready\n"
        yield
        other.stdin.close()
    assert other.returncode == 0


def show(*arguments: str) -> str:
    output = StringIO()
    call_command(Command(), "queries", "--database", "default", *arguments, stdout=output)
    return output.getvalue()


def test_the_orm_is_counted_by_the_line_of_the_application(library: Any) -> None:
    for name in ("Ann", "Bea"):
        Author.objects.create(name=name)
        line = inspect.currentframe().f_lineno - 1
    Author.objects.bulk_create([Author(name=f"hunter{number}") for number in range(5)])
    with transaction.atomic(), transaction.atomic():
        assert len(Author.objects.filter(name__in=["Ann", "Bea"])) == 2
    texts = {query.text: query for query in library.pool.queries()}
    (inserted,) = [
        query for query in library.pool.queries() if query.call_site.endswith(f":{line}")
    ]
    assert (inserted.calls, inserted.errors) == (2, 0)
    assert inserted.text.startswith('INSERT INTO "library_author"')
    assert any("IN (%s, ...)" in text and text.startswith("SELECT") for text in texts)
    assert any(text.startswith('SAVEPOINT "s?_x?"') for text in texts)
    assert not any("hunter" in text for text in texts)
    assert {query.call_site.rpartition(":")[0][-15:] for query in texts.values()} >= {
        "test_queries.py"
    }


def test_a_connection_for_each_statement_leaves_each_its_line(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"hold": "transaction"}})
    cursor = connection.cursor()
    begin = inspect.currentframe().f_lineno
    cursor.execute("select 1")
    with connection.pool.hold():
        cursor.execute("select 1, 2")
        cursor.execute("select 1, 2, 3")
    drivers = connection.connection.unwrap().cursor()
    drivers.execute("select 1, 2, 3, 4")
    (held,) = connection.pool.held(longer_than=-1)
    connection.close()
    lines = {
        query.text.count("?"): int(query.call_site.rpartition(":")[2]) - begin
        for query in connection.pool.queries()
        if query.text.startswith("select ?")
    }
    assert lines == {1: 1, 2: 3, 3: 4, 4: 6}
    assert f"test_queries.py:{begin + 6} " in held.query[0]
    assert f"test_queries.py:{begin + 5} " in held.cursor[0]


def test_it_can_be_turned_off(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"queries": False}})
    connection.ensure_connection()
    assert len(connection.pool.queries()) == 0


def test_the_command_shows_them_as_a_table_and_as_json(make_alias: MakeAlias) -> None:
    with make_alias().cursor() as cursor:
        for number in range(3):
            cursor.execute("select %s::int + 1", [number])
        cursor.execute("select pg_sleep(0.02)")
    assert "test_queries.py" in show()
    (found,) = json.loads(show("--json", "--by", "calls", "--limit", "1"))
    (first,) = found["queries"]["queries"]
    assert (first["text"], first["calls"]) == ("select %s::int + ?", 3)
    assert found["queries"]["others"]["calls"] >= 1
    assert (found["alias"], found["error"]) == ("default", None)


def test_the_command_hears_other_processes_that_tell(
    make_alias: MakeAlias, database: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIPOOL_RUNTIME_DIR", str(tmp_path))
    make_alias()
    with elsewhere(database):
        (found,) = json.loads(show("--json"))
    assert found["processes"] == 2
    assert "select ?, count(*) from pg_class" in {
        query["text"] for query in found["queries"]["queries"]
    }
    assert list(tmp_path.iterdir()) == []


def test_another_projects_database_is_not_added_to_this_ones(
    make_alias: MakeAlias, database: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly every project has an alias "default", and with it a pool of that name."""
    monkeypatch.setenv("MULTIPOOL_RUNTIME_DIR", str(tmp_path))
    make_alias()
    with elsewhere({**database, "NAME": "postgres"}):
        (found,) = json.loads(show("--json"))
        assert [len(process["pools"]) for process in processes()] == [1]
    assert (found["processes"], found["queries"]["queries"]) == (1, [])


def test_without_any_it_says_how_others_are_heard(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": {"name": "unused"}})
    assert "none. Others are heard if they run with MULTIPOOL_TOP=1." in show()


@pytest.mark.parametrize("report", ["queries", "usage"])
def test_where_nothing_is_counted_it_says_so(
    make_alias: MakeAlias, driver_name: str, report: str
) -> None:
    """A named pool counts only if it was asked to, as any that is made by hand."""
    with Pool("", driver=driver_name, name="web"):
        for pool in ({"queries": False}, "web"):
            make_alias(OPTIONS={"pool": pool}).pool  # noqa: B018 -- made when it is asked for
            output = StringIO()
            call_command(Command(), report, "--database", "default", stdout=output)
            assert "not counted: the option queries is off" in output.getvalue()


def test_options_of_another_report_are_refused(make_alias: MakeAlias) -> None:
    make_alias()
    with pytest.raises(CommandError, match="--by: only 'multipool queries' has it"):
        call_command(Command(), "status", "--by", "mean")
    with pytest.raises(CommandError, match="--limit -1: must be at least 0"):
        show("--limit", "-1")
