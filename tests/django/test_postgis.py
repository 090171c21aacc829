"""The PostGIS ENGINEs: GeoDjango on a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django_suite.server import NoServer, machines_programs

from multipool.testing.server import EmbeddedServer, embedded_server
from multipool_django.postgis.generate import BACKENDS
from multipool_django.postgis.wrapper import SpatialWrapper

Manage = Callable[..., Any]
DRIVERS = [backend.driver for backend in BACKENDS]


def require_libraries() -> None:
    try:
        import_module("django.contrib.gis.gdal")
    except ImproperlyConfigured:
        pytest.skip("install GDAL (apt-get install gdal-bin)")


@pytest.fixture(scope="module")
def spatial() -> Iterator[EmbeddedServer]:
    """A server with PostGIS and two empty databases."""
    require_libraries()
    try:
        programs = machines_programs()
    except NoServer as error:
        pytest.skip(str(error))
    with embedded_server(programs=programs) as server:
        if not server.psql("select 1 from pg_available_extensions where name = 'postgis'"):
            pytest.skip("install PostGIS (apt-get install postgresql-postgis)")
        yield server


@pytest.fixture
def databases(
    driver_name: str, spatial: EmbeddedServer, request: pytest.FixtureRequest
) -> Iterator[dict[str, Any]]:
    """Two aliases, each for a database without the extension yet."""
    if driver_name not in DRIVERS:
        pytest.skip(f"Django has PostGIS for {' and '.join(DRIVERS)} only")
    params = spatial.params
    found = {}
    for alias in ("default", "second"):
        spatial.psql(f"create database {alias}_{driver_name}")
        found[alias] = {
            "ENGINE": f"multipool_django.postgis.{driver_name}",
            "HOST": params["host"],
            "PORT": params["port"],
            "NAME": f"{alias}_{driver_name}",
            "USER": params["user"],
            "OPTIONS": {"pool": {"hold": getattr(request, "param", "request")}},
        }
    yield found
    for database in found.values():
        spatial.psql(f"drop database {database['NAME']} with (force)")


def test_geometries_go_there_and_back_on_every_connection_of_a_pool(
    manage: Manage, databases: dict[str, Any]
) -> None:
    apps = ["django.contrib.gis", "places"]
    manage("migrate", "--run-syncdb", databases=databases, apps=apps)
    use = "from places.use import main; main()"
    done = manage("shell", "-v", "0", "-c", use, databases=databases, apps=apps)
    assert done.stdout == "done\n"


def test_services_that_lead_to_different_databases_have_types_of_their_own() -> None:
    def known(service: str) -> Any:
        wrapper: Any = SpatialWrapper.__new__(SpatialWrapper)
        elsewhere = dict.fromkeys(("HOST", "PORT", "NAME"), "")
        wrapper.settings_dict = {**elsewhere, "OPTIONS": {"service": service}}
        return wrapper._type_infos

    assert known("maps") is known("maps")
    assert known("maps") is not known("tiles")


@pytest.mark.parametrize("databases", ["request", "transaction"], indirect=True)
def test_the_test_runner_makes_databases_with_the_extension(
    manage: Manage, databases: dict[str, Any]
) -> None:
    done = manage("test", "--noinput", databases=databases, apps=["django.contrib.gis", "places"])
    assert "OK" in done.stderr
