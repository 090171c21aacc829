"""``django.contrib.postgres`` works on the ENGINE's driver, whatever Django would choose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from multipool.driver import drivers
from multipool_django import primary

Manage = Callable[..., subprocess.CompletedProcess[str]]

APPS = ["multipool_django", "django.contrib.postgres"]

USE = """
import datetime
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.contrib.postgres.search import SearchVector
from django.db import connection, models
from django.db.backends.postgresql import psycopg_any

class Loan(models.Model):
    tags = ArrayField(models.CharField(max_length=9))
    days = DateRangeField()
    class Meta:
        app_label = "library"

assert psycopg_any.is_psycopg3 is (connection.driver == "psycopg")
day = datetime.date(2026, 1, 1)
span = psycopg_any.DateRange(day, day + datetime.timedelta(7))
with connection.schema_editor() as editor:
    editor.create_model(Loan)
try:
    Loan.objects.create(tags=["it's", "a,b"], days=span)
    loan = Loan.objects.get(tags__contains=["a,b"], days__contains=day)
    assert (loan.tags, loan.days) == (["it's", "a,b"], span)
    found = Loan.objects.annotate(search=SearchVector("tags")).filter(search="it")
    assert not found.exists()
    assert not Loan.objects.filter(days=(None, day)).exists()
finally:
    with connection.schema_editor() as editor:
        editor.delete_model(Loan)
print("done")
"""


def test_its_fields_and_functions_work_on_the_engines_driver(manage: Manage) -> None:
    assert manage("shell", "-v", "0", "-c", USE, apps=APPS).stdout == "done\n"


def test_they_do_where_only_the_engine_was_changed(manage: Manage) -> None:
    assert manage("shell", "-v", "0", "-c", USE).stdout == "done\n"


def database(driver: str) -> dict[str, Any]:
    return {"ENGINE": f"multipool_django.{driver}"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The drivers made primary."""
    drivers: list[str] = []
    monkeypatch.setattr(primary, "make_primary", drivers.append)
    return drivers


@pytest.mark.parametrize(
    ("databases", "expected"),
    [
        ({"default": database("pg8000")}, ["pg8000"]),
        ({"default": database("pg8000"), "replica": database("pg8000")}, ["pg8000"]),
        ({"default": database("pg8000"), "other": database("psycopg")}, []),
        ({"default": database("pg8000"), "other": {"ENGINE": "django.db.backends.postgresql"}}, []),
        ({"default": database("pg8000"), "other": {"ENGINE": "made.from.djangos"}}, []),
        (
            {"default": database("pg8000"), "other": {"ENGINE": "django.db.backends.sqlite3"}},
            ["pg8000"],
        ),
        ({"default": {}}, []),
        ({"default": {"ENGINE": None}, "other": database("pg8000")}, ["pg8000"]),
    ],
    ids=[
        "one",
        "one twice",
        "two",
        "Django's own ENGINE",
        "a third party's",
        "beside SQLite",
        "none",
        "beside none",
    ],
)
def test_the_only_engine_for_postgresql_becomes_primary(
    made: list[str], databases: dict[str, Any], expected: list[str]
) -> None:
    primary.make_primary_by_settings(databases)
    assert made == expected


@pytest.mark.parametrize(("choice", "expected"), [("pg8000", []), ("psycopg", ["pg8000"])])
def test_being_late_does_no_harm_where_django_chose_the_same_driver(
    made: list[str], monkeypatch: pytest.MonkeyPatch, choice: str, expected: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "django.contrib.postgres.signals", object())
    monkeypatch.setattr(primary, "djangos_choice", lambda: choice)
    primary.make_primary_by_settings({"default": database("pg8000")})
    assert made == expected


def test_becoming_primary_too_late_is_refused_with_what_to_do(
    driver_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module(f"multipool_django.{driver_name}")
    others = [finder for finder in sys.meta_path if not hasattr(finder, "twin")]
    monkeypatch.setattr(sys, "meta_path", others)
    monkeypatch.setitem(sys.modules, "django.contrib.postgres.signals", object())
    with pytest.raises(ImproperlyConfigured, match=r'"multipool_django" before "django\.contrib'):
        primary.make_primary(driver_name)


EACH = """
from django.db import connections

for alias in connections:
    if alias != "default":
        with connections[alias].cursor() as cursor:
            cursor.execute("select '{a,B}'::citext[]")
            print(alias, cursor.fetchone()[0])
"""


@pytest.mark.parametrize("apps", [APPS, APPS[1:]], ids=["ours first", "without ours"])
def test_each_connection_learns_the_extensions_types_from_its_own_driver(
    manage: Manage, database: dict[str, Any], make_alias: Callable[..., Any], apps: list[str]
) -> None:
    if apps != APPS and primary.djangos_choice() is None:
        pytest.skip("Django cannot import its app without psycopg or psycopg2")
    connection = make_alias()
    # What an array of it is read as depends on its name alone, so it need not be the extension.
    with connection.cursor() as cursor:
        cursor.execute("create domain citext as text")
    try:
        names = [name for name in drivers() if find_spec(name)]
        databases: dict[str, Any] = {"default": {}}
        for name in names:
            databases[name] = {**database, "ENGINE": f"multipool_django.{name}"}
        done = manage("shell", "-v", "0", "-c", EACH, apps=apps, databases=databases)
        assert done.stdout.splitlines() == [f"{name} ['a', 'B']" for name in names]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("drop domain citext")


RANGES = """
from django.contrib.postgres.fields import DateRangeField
from django.core.checks import run_checks
from django.db import models

def found():
    return [message.id for message in run_checks(tags=["multipool"])]

before = found()
class Loan(models.Model):
    days = DateRangeField()
    class Meta:
        app_label = "library"
print(before, found())
"""


@pytest.mark.parametrize("apps", [APPS, APPS[1:]], ids=["ours first", "without ours"])
def test_range_fields_that_a_driver_does_not_know_are_warned_about(
    manage: Manage, driver_name: str, apps: list[str]
) -> None:
    choice = primary.djangos_choice()
    if apps != APPS and choice is None:
        pytest.skip("Django cannot import its app without psycopg or psycopg2")
    known = apps == APPS or driver_name == choice
    done = manage("shell", "-v", "0", "-c", RANGES, apps=apps)
    assert done.stdout == ("[] []\n" if known else "[] ['multipool.W005']\n")


def test_whether_it_is_imported_is_told_while_others_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Importing(str):
        def startswith(self, *_: Any) -> bool:
            monkeypatch.setitem(sys.modules, "imported_meanwhile", sys)
            return False

    monkeypatch.setitem(sys.modules, Importing("importing"), sys)
    monkeypatch.setitem(sys.modules, f"{primary.CONTRIB}.anything", sys)
    assert primary.contrib_is_imported()
