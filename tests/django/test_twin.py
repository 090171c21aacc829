"""Each ENGINE is Django's own backend, once more, on one driver only."""

from __future__ import annotations

import inspect
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
from django.contrib import gis
from django.core.exceptions import ImproperlyConfigured
from django.db.backends import postgresql

from multipool_django import generate
from multipool_django.postgis import generate as generate_postgis
from multipool_django.twin import Twin

DJANGOS = Path(postgresql.__file__).parent


def engine(driver_name: str, module: str) -> Any:
    return import_module(f"multipool_django.{driver_name}.{module}")


def test_the_committed_files_are_what_the_generator_writes() -> None:
    written = generate.render() | generate_postgis.render()
    assert {path: path.read_text(encoding="utf-8") for path in written} == written


def test_there_is_a_module_for_each_of_djangos() -> None:
    names = {path.stem for path in DJANGOS.glob("*.py")} - {"__init__"}
    assert names == set(generate.MODULES)


def test_there_is_a_module_for_each_of_djangos_for_postgis() -> None:
    folder = Path(gis.__file__).parent / "db" / "backends" / "postgis"
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names == {*generate_postgis.MODULES, *generate_postgis.SHARED}


def test_an_engine_uses_its_own_driver_whatever_else_is_installed(driver_name: str) -> None:
    database = engine(driver_name, "base").Database
    facade = "multipool_django.pg8000.facade"
    assert database.__name__ == {"pg8000": facade}.get(driver_name, driver_name)
    assert engine(driver_name, "psycopg_any").is_psycopg3 is (driver_name == "psycopg")


def test_the_wrapper_is_postgresqls_own_with_all_parts_from_the_twin(driver_name: str) -> None:
    wrapper = engine(driver_name, "base").DatabaseWrapper
    assert (wrapper.vendor, wrapper.display_name) == ("postgresql", "PostgreSQL")
    for part in ("client", "creation", "features", "introspection", "ops"):
        assert getattr(wrapper, f"{part}_class").__module__.startswith(
            f"multipool_django.{driver_name}."
        )
    assert wrapper.SchemaEditorClass is engine(driver_name, "schema").DatabaseSchemaEditor


def test_there_is_one_kind_of_insert_unnest(driver_name: str) -> None:
    operations = engine(driver_name, "operations")
    compiler = import_module(operations.DatabaseOperations.compiler_module)
    assert operations.InsertUnnest is compiler.InsertUnnest


def test_inspect_finds_the_source_in_djangos_files(driver_name: str) -> None:
    operations = engine(driver_name, "operations").DatabaseOperations
    assert inspect.getsourcefile(operations) == str(DJANGOS / "operations.py")
    assert "def quote_name(self, name):" in inspect.getsource(operations.quote_name)


def test_a_traceback_points_into_djangos_files(driver_name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        engine(driver_name, "operations").DatabaseOperations(connection=None).quote_name(None)
    innermost = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert innermost.filename == str(DJANGOS / "operations.py")
    assert innermost.line is not None
    assert "startswith" in innermost.line


@pytest.fixture
def twin(driver_name: str) -> Twin:
    twin: Twin = import_module(f"multipool_django.{driver_name}").twin
    return twin


def test_the_other_drivers_are_hidden_and_named_in_the_error(twin: Twin) -> None:
    other = {"psycopg": "psycopg2"}.get(twin.driver, "psycopg")
    names: dict[str, Any] = {"__builtins__": twin.builtins}
    with pytest.raises(ModuleNotFoundError, match=f"{twin.package} runs on .*'{other}' is hidden"):
        exec(f"import {other}.errors", names)


def test_djangos_modules_are_redirected_inside_functions_too(twin: Twin) -> None:
    names: dict[str, Any] = {"__builtins__": twin.builtins, "__name__": "elsewhere"}
    exec(
        "def lazily():\n"
        "    from django.db.backends.postgresql.psycopg_any import is_psycopg3\n"
        "    from django.db.backends.postgresql import base\n"
        "    return is_psycopg3, base\n",
        names,
    )
    is_psycopg3, base = names["lazily"]()
    assert is_psycopg3 is (twin.driver == "psycopg")
    assert base is engine(twin.driver, "base")


def test_importing_a_submodule_binds_what_stands_for_the_top() -> None:
    names: dict[str, Any] = {}
    twin = Twin(
        "multipool_django.psycopg2",
        driver=next(name for name in ("psycopg2", "pg8000", "psycopg") if find_spec(name)),
        hidden=[],
        stand_ins={"nowhere": "xml"},
    )
    exec("import nowhere.dom\nimport nowhere.dom as deep", {"__builtins__": twin.builtins}, names)
    assert names["nowhere"] is sys.modules["xml"]
    assert names["deep"] is sys.modules["xml.dom"]


def test_an_import_that_cannot_be_redirected_is_refused(twin: Twin) -> None:
    with pytest.raises(ImportError, match="only 'from ... import ...' can be redirected"):
        exec("import django.db.backends.postgresql.base", {"__builtins__": twin.builtins})


def make(driver: str = "nowhere") -> Twin:
    return Twin(f"multipool_django.{driver}", driver=driver, hidden=[], stand_ins={})


def test_an_unknown_driver_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="unknown driver 'nowhere'; known: pg8000, "):
        make()


def test_a_missing_driver_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from multipool import driver

    for name in list(sys.modules):
        if name.partition(".")[0] in {"multipool_psycopg2", "psycopg2"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    driver._load.cache_clear()
    try:
        with pytest.raises(ImproperlyConfigured, match=r'pip install "multipool\[psycopg2\]"'):
            make("psycopg2")
    finally:
        driver._load.cache_clear()


def test_an_unknown_django_is_refused_with_those_that_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(django, "VERSION", (4, 2, 0, "final", 0))
    with pytest.raises(ImproperlyConfigured, match=r"knows those of Django 5\.2, 6\.0, 6\.1"):
        make()


def test_another_python_than_cpython_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(name="pypy"))
    with pytest.raises(ImproperlyConfigured, match="needs CPython.*this is pypy"):
        make()


def test_a_django_without_sources_is_refused(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "__path__", [])
    with pytest.raises(
        ImproperlyConfigured, match=r"made from Django's own sources.*postgresql\.c"
    ):
        twin.execute({"__name__": f"{twin.package}.client"})
