"""Django, set up once for this process, with an alias for each installed driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")

from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from multipool.driver import drivers

PROJECT = Path(__file__).parent / "project"
sys.path.insert(0, str(PROJECT))


def _configure() -> None:
    import settings as project  # the project's, beside this file

    names = {name: value for name, value in vars(project).items() if name.isupper()}
    settings.configure(**names)
    import django

    django.setup()


if not settings.configured:
    _configure()


def _installed() -> list[str]:
    from importlib.util import find_spec

    return [name for name in drivers() if find_spec(name)]


@pytest.fixture(params=_installed())
def driver_name(request: pytest.FixtureRequest) -> str:
    """The name of each installed driver in turn."""
    name: str = request.param
    return name


@pytest.fixture
def database(driver_name: str, params: dict[str, str]) -> dict[str, Any]:
    """An entry for DATABASES: the scratch database through each ENGINE in turn."""
    return {
        "ENGINE": f"multipool_django.{driver_name}",
        "HOST": params["host"],
        "PORT": params.get("port", ""),
        "NAME": params["dbname"],
        "USER": params["user"],
        "PASSWORD": params.get("password", ""),
    }


MakeAlias = Callable[..., BaseDatabaseWrapper]
Get = Callable[[str], tuple[int, Any]]


@pytest.fixture
def make_alias(database: dict[str, Any]) -> Iterator[MakeAlias]:
    """Make a connection of a new alias, with changes to its settings; closed at the end."""
    made: list[str] = []

    def make(alias: str = "default", **changes: Any) -> BaseDatabaseWrapper:
        databases = connections.configure_settings({"default": {}, alias: {**database, **changes}})
        connections.settings[alias] = databases[alias]
        made.append(alias)
        with suppress(AttributeError):  # there was none yet in this thread
            del connections[alias]
        return connections[alias]

    kept = dict(connections.settings)
    yield make
    for alias in made:
        connection: Any = connections[alias]
        # A transaction that a failed test left open must not keep it from closing.
        connection.in_atomic_block = connection.closed_in_transaction = False
        connection.close()
        connection.close_pool()
        del connections[alias]
    connections.settings.clear()
    connections.settings.update(kept)


@pytest.fixture
def connection(make_alias: MakeAlias) -> BaseDatabaseWrapper:
    """The connection of the alias ``default``, with default options."""
    return make_alias()


@pytest.fixture
def library(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """A connection to a database with the library's tables, which are dropped at the end."""
    call_command("migrate", verbosity=0)
    yield connection
    call_command("migrate", "library", "zero", verbosity=0)


@pytest.fixture
def manage(database: dict[str, Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``manage.py`` in a process of its own; fails with its output if it fails to."""

    def run(
        *arguments: str,
        databases: dict[str, Any] | None = None,
        apps: Sequence[str] = (),
        without: Sequence[str] = (),
        status: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "LIBRARY_DATABASES": json.dumps(databases or {"default": database}),
            "LIBRARY_APPS": json.dumps(apps),
            "LIBRARY_WITHOUT": json.dumps(without),
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


class QuietHandler(WSGIRequestHandler):
    """A handler that leaves no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in http.server
        pass


class QuietServer(ThreadedWSGIServer):
    """A server that leaves the traceback of a broken view to Django."""

    daemon_threads = False  # so that closing the server waits for its threads


@pytest.fixture
def site(make_alias: MakeAlias) -> Iterator[Get]:
    """Serve the library's pages over HTTP, from a pool of at most 5 connections.

    Gives a function that gets a page: its status, and what its JSON says.
    """
    options = {"pool": {"max_size": 5, "timeout": 20}, "application_name": "the site"}
    make_alias(OPTIONS=options)
    call_command("migrate", verbosity=0)
    connections.close_all()
    server = QuietServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def get(path: str) -> tuple[int, Any]:
        client = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        try:
            client.request("GET", path, headers={"Connection": "close"})
            answer = client.getresponse()
            body = answer.read()
        finally:
            client.close()
        return answer.status, json.loads(body) if answer.status == 200 else body

    get.address = server.server_address
    yield get
    server.shutdown()
    thread.join()
    server.server_close()
    call_command("migrate", "library", "zero", verbosity=0)
