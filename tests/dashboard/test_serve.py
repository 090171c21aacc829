"""``multipool serve`` shows in one process what another one does."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from scenes import Made

from multipool import PoolConfigError
from multipool.cli import main
from multipool.driver import Driver
from multipool.fleet.installing import script
from multipool.testing import fleets
from multipool.testing.server import EmbeddedServer, uri

LEAKING = Path(__file__).parent / "leaking.py"
LINE = next(
    number for number, line in enumerate(LEAKING.read_text().splitlines(), 1) if "getconn" in line
)

Start = Callable[..., str]


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[dict[str, str]]:
    """The parameters of a database with the fleet."""
    name = f"serve_{secrets.token_hex(4)}"
    server.psql(f"create database {name}")
    server.psql(script(), name)
    yield {**server.params, "dbname": name}
    server.psql(f"drop database {name} with (force)")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program; gives the first line that it prints."""
    with ExitStack() as stack:
        yield lambda *command: stack.enter_context(_running(command))


@contextmanager
def _running(command: tuple[str, ...]) -> Iterator[str]:
    with _popen(command) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def _popen(command: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_a_leak_in_another_process_is_on_the_page_within_15_seconds_with_file_and_line(
    browser: Any, start: Start, database: dict[str, str], driver: Driver
) -> None:
    command = ("-m", "multipool.cli", "serve", uri(database), "--driver", driver.name)
    page = browser.open(start(*command, "--port", "0"))
    assert page.locator("#begin").is_visible()
    assert start(str(LEAKING), json.dumps(database), driver.name) == "forgot 2"
    leaked = time.monotonic()
    page.wait_for_selector(f"#suspects:has-text('leaking.py:{LINE}')", timeout=15_000)
    assert time.monotonic() - leaked < 15
    assert "2 of 2" in page.inner_text("#suspect-0 .share")
    assert "checkout()" in page.inner_text("#suspect-0 .site")
    verdict = page.inner_text("#verdict")
    assert "shop: 1 of 1 pool exhausted" in verdict
    assert f"leaking.py:{LINE}" in verdict
    assert "orders" in page.inner_text("#pools")


def test_where_the_fleet_is_not_installed_the_page_says_what_to_do(
    browser: Any, start: Start, dsn: str, driver: Driver
) -> None:
    command = ("-m", "multipool.cli", "serve", dsn, "--driver", driver.name, "--port", "0")
    page = browser.open(start(*command))
    assert "run `multipool fleet install`" in page.inner_text("#verdict")
    browser.complaints.clear()  # of the answer 503


def test_it_ends_when_it_is_told_to_as_the_first_process_of_a_container_too(
    driver: Driver,
) -> None:
    """The kernel lets no signal end that one for which it has no handler."""
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    command = ("-m", "multipool.cli", "serve", nowhere, "--driver", driver.name, "--port", "0")
    with _popen(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_it_does_not_listen_to_other_machines_without_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MULTIPOOL_DASHBOARD_TOKEN", raising=False)
    assert main(["serve", "host=db", "--host", "0.0.0.0"]) == 1
    said = capsys.readouterr().err
    assert "--host 0.0.0.0 is seen from other machines: set a token" in said


def test_where_it_cannot_listen_it_says_so_with_host_and_port(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("correct-horse-battery\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "host=db", "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"multipool serve: cannot listen on host '127.0.0.1', port {port}: ")
    for nowhere in ("no such host", "192.0.2.1", "a" * 64):
        arguments = ("--host", nowhere, "--token-file", str(token), "--port", "0")
        assert main(["serve", "host=db", *arguments]) == 1
        assert f"cannot listen on host '{nowhere}'" in capsys.readouterr().err


def test_a_token_that_is_no_text_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"hunter2 \xff hunter2 hunter2")
    assert main(["serve", "host=db", "--token-file", str(token)]) == 1
    assert capsys.readouterr().err == (
        f"multipool serve: --token-file {token}: must be text in UTF-8\n"
    )


def test_the_token_comes_from_a_file_or_the_environment_and_must_be_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MULTIPOOL_DASHBOARD_TOKEN", "short")
    assert main(["serve", "host=db"]) == 1
    assert "token must have at least 16 characters" in capsys.readouterr().err
    assert main(["serve", "host=db", "--token-file", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "token").write_text("tiny\n")
    assert main(["serve", "host=db", "--token-file", str(tmp_path / "token")]) == 1
    assert "at least 16 characters, not 4" in capsys.readouterr().err


def test_a_token_is_no_option() -> None:
    with pytest.raises(SystemExit):
        main(["serve", "host=db", "--token", "correct-horse-battery"])


def test_applications_are_made_from_a_pool(dsn: str, driver: Driver) -> None:
    from multipool import Pool, dashboard

    with Pool(dsn, driver=driver) as pool:
        for make in (dashboard.wsgi_app, dashboard.asgi_app):
            assert callable(make(pool, token="correct-horse-battery"))
            with pytest.raises(PoolConfigError):
                make(pool, token="short")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server wait for what a client says for a tenth of a second."""
    monkeypatch.setattr("multipool.dashboard.server._Handler.timeout", 0.1)


def test_of_connections_that_say_nothing_or_break_nobody_is_told(
    serve: Callable[..., str], impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A browser opens some in advance, and drops them or forgets them."""
    host, _, port = serve(fleets.healthy).removeprefix("http://").strip("/").partition(":")
    with socket.create_connection((host, int(port))) as silent:
        assert silent.recv(1) == b""
    broken = socket.create_connection((host, int(port)))
    broken.sendall(b"GET / HT")
    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    broken.close()  # by a reset
    with socket.create_connection((host, int(port))) as later:
        assert later.recv(1) == b""
    assert capsys.readouterr().err == ""


def test_of_a_form_that_does_not_come_whole_nothing_is_done_and_nobody_is_told(
    serve: Callable[..., str], impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a client that has gone sent of it might name another session."""
    source = Made(fleets.blocked)
    backend = fleets.blocked().backends[0]
    address = serve(source, may_end=True).removeprefix("http://").strip("/")
    host, _, port = address.partition(":")
    csrf = "a" * 43
    wish = {"pid": backend.pid, "started": backend.started, "how": "terminate"}
    form = urlencode({"csrf": csrf, **wish})
    head = (
        f"POST /end HTTP/1.0\r\nHost: {address}\r\nCookie: multipool_csrf={csrf}\r\n"
        f"Content-Length: {len(form) + 1}\r\n\r\n"
    )
    for leave in (lambda client: client.shutdown(socket.SHUT_WR), lambda client: None):
        with socket.create_connection((host, int(port))) as client:
            client.sendall((head + form).encode())
            leave(client)
            assert client.makefile("rb").readline().split()[1] == b"400"
    broken = socket.create_connection((host, int(port)))
    broken.sendall((head + form).encode())
    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    broken.close()  # by a reset
    with socket.create_connection((host, int(port))) as later:
        assert later.recv(1) == b""
    assert source.ended == []
    assert capsys.readouterr().err == ""
