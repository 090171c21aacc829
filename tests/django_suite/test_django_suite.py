"""What `python -m tests.django_suite` does before Django's own tests take over."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")

from django_suite import __main__ as command
from django_suite import server, settings, sources
from multipool.testing.server import embedded_server


def databases(text: str) -> dict[str, Any]:
    """Return the DATABASES of a settings module."""
    names: dict[str, Any] = {}
    exec(text.replace("from test_sqlite import *", ""), names)
    found: dict[str, Any] = names["DATABASES"]
    return found


def test_both_aliases_of_the_suite_are_pooled_on_the_engine_with_names_of_their_own() -> None:
    params = {"host": "/run", "port": "5433", "user": "it's", "dbname": "postgres"}
    found = databases(settings.render("an.engine", params, {"pool": {"max_size": 4}}))
    assert found.keys() == {"default", "other"}
    for database in found.values():
        assert database["ENGINE"] == "an.engine"
        assert (database["HOST"], database["PORT"], database["USER"]) == ("/run", "5433", "it's")
        assert database["OPTIONS"] == {"pool": {"max_size": 4}}
    assert found["default"]["NAME"] != found["other"]["NAME"]
    again = databases(settings.render("an.engine", params, {}))
    assert found["default"]["NAME"] != again["default"]["NAME"]


def test_what_libpq_knows_and_django_does_not_is_an_option() -> None:
    found = databases(settings.render("e", {"sslmode": "require", "user": "u"}, {"binding": "c"}))
    assert found["default"]["OPTIONS"] == {"sslmode": "require", "binding": "c"}


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What pip was asked for; it delivers a source distribution if asked for Django 7.7."""
    asked: list[str] = []

    def run(arguments: list[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
        asked.extend(arguments)
        if arguments[-1] != "Django==7.7":
            return subprocess.CompletedProcess(arguments, 1, "", "No matching distribution")
        with tarfile.open(tmp_path / "django-7.7.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("django-7.7/tests/runtests.py")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"pass"))
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_the_suite_comes_with_the_sources_of_the_very_version_that_is_installed(
    pip: list[str], tmp_path: Path
) -> None:
    suite = sources.fetch_suite("7.7", tmp_path)
    assert (suite / "runtests.py").read_text() == "pass"
    assert pip[0] == sys.executable


def test_a_version_without_sources_is_named_with_what_pip_said(
    pip: list[str], tmp_path: Path
) -> None:
    with pytest.raises(sources.NoSources, match=r"(?s)Django 7\.8\.dev1 .*No matching distrib"):
        sources.fetch_suite("7.8.dev1", tmp_path)


def test_a_server_that_is_named_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIPOOL_TEST_DSN", "postgresql://somebody@db:5433/postgres")
    with server.contrib_server() as params:
        assert (params["host"], params["port"], params["user"]) == ("db", "5433", "somebody")


def test_a_machine_without_postgresql_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MULTIPOOL_TEST_DSN", raising=False)
    monkeypatch.setattr(server, "PLACES", ())
    monkeypatch.setattr(server.shutil, "which", lambda name: None)
    with pytest.raises(server.NoServer, match="postgresql-contrib"), server.contrib_server():
        pass


def test_a_server_without_the_extensions_is_refused_by_their_names() -> None:
    with (
        embedded_server() as embedded,
        pytest.raises(server.NoServer, match="btree_gin, .*citext, hstore"),
    ):
        server._require_contrib(embedded)


def test_nothing_is_tested_without_a_server_and_that_is_said_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> Any:
        raise server.NoServer("there is none")

    monkeypatch.setattr(command, "contrib_server", refuse)
    with pytest.raises(SystemExit) as caught:
        command.main(["--engine", "pg8000"])
    assert caught.value.code == 1
    assert command.main(["--engine", "pg8000", "--skip-without-server"]) == 0
    assert capsys.readouterr().err == "there is none\nskipped: there is none\n"


def test_an_option_is_json_or_else_text() -> None:
    asked = command._parser().parse_args(["--option", "a=client", "--option", "b=true"])
    assert dict(asked.option) == {"a": "client", "b": True}


def test_an_option_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command._parser().parse_args(["--option", "binding"])
    assert "'binding' is not of the form NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("installed", [[], ["pg8000", "psycopg"]])
def test_the_engine_is_named_unless_there_is_one_driver_only(
    installed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "drivers", lambda: installed)
    monkeypatch.setattr(command, "find_spec", lambda name: True)
    with pytest.raises(SystemExit):
        command.main([])
    assert str(installed) in capsys.readouterr().err
